#pragma once
// Files and folders that become durable together. Synced side by side, the file system joins them
// in one journal commit; one after the other, each waits for a commit of its own, and on a busy
// machine for a slice of whoever computes there.
// Internal to the layer. Not thread-safe.
#include <string>
#include <vector>

#include "base/error.h"
#include "os/fd.h"

namespace drover::git {

class SyncSet {
 public:
  void add(os::Fd file);
  // The names in it: a rename is durable with its folder.
  [[nodiscard]] Status add_folder(std::string const& path);
  // Instead of each alone, all of the file system that holds `path`: cheaper for many.
  void add_file_system_of(std::string path);
  // `what` names them in the error.
  [[nodiscard]] Status sync(std::string_view what);

 private:
  std::vector<os::Fd> files_;
  std::vector<std::string> folders_;  // those in files_, each once
  std::string file_system_;
};

}  // namespace drover::git
