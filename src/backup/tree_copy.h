#pragma once
// Puts a folder into an archive while hostile programs write in it. Links are never followed, what
// is no file, folder or link is skipped and counted, and what goes or changes meanwhile is no
// failure. Blocking, not thread-safe.
#include <sys/stat.h>

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "backup/archive_writer.h"
#include "backup/manifest.h"
#include "base/error.h"

namespace drover::backup {

struct TreeCopyOptions {
  std::string folder;        // absolute
  std::string spool_folder;  // where large files are copied to first, to know how long they are
  int store_fd = -1;         // stands for the file kStoreName at the top
  std::atomic<bool> const* abort = nullptr;
};

class TreeCopy {
 public:
  TreeCopy(TreeCopyOptions options, ArchiveWriter& archive)
      : options_(std::move(options)), archive_(&archive) {}

  [[nodiscard]] Result<LeftOut> run();

 private:
  struct Frame {
    std::string path;  // "" at the top
    std::vector<std::string> names;
    std::size_t next = 0;
  };

  [[nodiscard]] Status enter(int folder_fd, std::string const& name, std::string const& path);
  // Copies names of the last frame until one is a folder, which becomes the last frame.
  [[nodiscard]] Status go_on(int folder_fd);
  [[nodiscard]] Status copy(int folder_fd, std::string const& name, std::string const& path);
  [[nodiscard]] Status copy_folder(int folder_fd, std::string const& name, std::string const& path,
                                   struct stat const& info);
  [[nodiscard]] Status copy_link(int folder_fd, std::string const& name, std::string const& path,
                                 struct stat const& info);
  [[nodiscard]] Status copy_file(int folder_fd, std::string const& name, std::string const& path);
  [[nodiscard]] Status copy_content(int fd, Entry entry, struct stat const& before);
  [[nodiscard]] Status copy_large(int fd, Entry entry, struct stat const& before);
  [[nodiscard]] Status write_all_of(int fd, Entry const& entry);
  // No failure, but counted, where the thing was gone or an agent took the right to read it.
  [[nodiscard]] Status excuse(int errno_value, std::string_view operation, std::string const& path);
  void note_change(int fd, std::uint64_t copied, struct stat const& before);
  [[nodiscard]] Status check_abort() const;

  TreeCopyOptions options_;
  ArchiveWriter* archive_;
  LeftOut left_out_;
  std::vector<Frame> frames_;  // the folders that are not done, each in the one before
};

}  // namespace drover::backup
