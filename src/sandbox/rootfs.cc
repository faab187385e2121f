#include "sandbox/rootfs.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/text.h"

namespace drover::sandbox {

namespace fs = std::filesystem;

namespace {

bool is_below(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

class Opening {
 public:
  Opening(std::string const& rootfs, std::vector<std::string> const& places)
      : rootfs_(rootfs), places_(places) {}

  Result<std::vector<RootEntry>> run() {
    DROVER_TRY(open_folder(""));
    std::ranges::sort(entries_, {}, &RootEntry::path);
    return std::move(entries_);
  }

 private:
  Status open_folder(std::string const& folder) {
    std::error_code error;
    fs::directory_iterator all{rootfs_ + folder, error};
    if (error)
      return std::unexpected(
          system_error(error.value(), "list the root file system", printable(rootfs_ + folder)));
    for (auto const& entry : all)
      DROVER_TRY(take(folder + "/" + entry.path().filename().string(), entry));
    return {};
  }

  Status take(std::string const& path, fs::directory_entry const& entry) {
    if (std::ranges::find(places_, path) != places_.end()) return {};
    std::error_code error;
    auto const kind = entry.symlink_status(error).type();
    bool const holds_place =
        std::ranges::any_of(places_, [&](std::string const& one) { return is_below(one, path); });
    if (kind == fs::file_type::directory && holds_place) return open_folder(path);
    if (entries_.size() == kRootEntriesMax)
      return fail(ErrorCode::too_large,
                  "the root file system {} has over {} entries beside what a sandbox puts there",
                  printable(rootfs_), kRootEntriesMax);
    // A link where a place goes through would lead it elsewhere: the place wins.
    if (holds_place) return {};
    if (kind == fs::file_type::symlink)
      entries_.push_back(
          {RootEntry::Kind::link, path, fs::read_symlink(entry.path(), error).string()});
    else if (kind == fs::file_type::directory || kind == fs::file_type::regular)
      entries_.push_back({RootEntry::Kind::mount, path, ""});
    return {};
  }

  std::string rootfs_;
  std::vector<std::string> const& places_;
  std::vector<RootEntry> entries_;
};

}  // namespace

Result<std::vector<RootEntry>> root_entries(std::string const& rootfs,
                                            std::vector<std::string> const& places) {
  return Opening{rootfs, places}.run();
}

}  // namespace drover::sandbox
