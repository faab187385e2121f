#include "backup/own_folder.h"

#include <stdio.h>
#include <stdlib.h>

#include <filesystem>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::backup {

namespace {

// Also folders that an archive gave a mode which lets nobody write in them.
void remove_all(std::string const& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::recursive_directory_iterator walk{folder, error};
  for (; !error && walk != fs::recursive_directory_iterator{}; walk.increment(error))
    if (walk->symlink_status(error).type() == fs::file_type::directory)
      fs::permissions(walk->path(), fs::perms::owner_all, fs::perm_options::add, error);
  if (auto const removed = os::remove_tree(folder); !removed)
    log::warn("backup-leftover", {{"folder", folder}, {"reason", removed.error().text()}});
}

}  // namespace

Result<OwnFolder> OwnFolder::make(std::string pattern) {
  if (::mkdtemp(pattern.data()) == nullptr)
    return fail_errno("create a folder beside", printable(pattern));
  return OwnFolder{std::move(pattern)};
}

OwnFolder::OwnFolder(OwnFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

OwnFolder::~OwnFolder() {
  if (!path_.empty()) remove_all(path_);
}

Status OwnFolder::rename(std::string const& path) {
  if (::rename(path_.c_str(), path.c_str()) != 0) return fail_errno("rename", printable(path_));
  path_ = path;
  return {};
}

}  // namespace drover::backup
