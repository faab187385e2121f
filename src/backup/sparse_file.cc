#include "backup/sparse_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "os/files.h"

namespace drover::backup {

namespace {

constexpr std::size_t kBlockBytes = 4096;

bool is_zeros(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) { return c == '\0'; });
}

}  // namespace

Result<SparseFile> SparseFile::unnamed(std::string const& folder) {
  os::Fd fd{::open(folder.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)};
  if (fd.valid()) return SparseFile{std::move(fd), folder};
  if (errno != EOPNOTSUPP && errno != EISDIR) return fail_errno("create a file in", folder);
  std::string path = folder + "/.drover-XXXXXX";
  fd = os::Fd{::mkostemp(path.data(), O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("create a file in", folder);
  if (::unlink(path.c_str()) != 0) return fail_errno("remove", path);
  return SparseFile{std::move(fd), folder};
}

Status SparseFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    std::string_view const block = bytes.substr(0, kBlockBytes);
    bytes.remove_prefix(block.size());
    size_ += block.size();
    if (!is_zeros(block)) {
      DROVER_TRY(os::write_all(fd_.get(), block, name_));
    } else if (::lseek(fd_.get(), static_cast<off_t>(block.size()), SEEK_CUR) < 0) {
      return fail_errno("write", name_);
    }
  }
  return {};
}

Status SparseFile::finish() {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) return fail_errno("write", name_);
  return {};
}

}  // namespace drover::backup
