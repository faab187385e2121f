#pragma once
// Waiting until something changes in a folder, instead of looking again and again. One owner.
#include <initializer_list>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"

namespace drover::os {

class FolderWatch {
 public:
  // Of names in the folder itself: made, removed, renamed, or closed after writing. What happens
  // from now on is seen by the next wait, so: watch, look, wait.
  [[nodiscard]] static Result<FolderWatch> on(std::string const& folder);
  // Also what happens in another folder.
  [[nodiscard]] Status add(std::string const& folder);

  enum class Seen { change, timeout };
  // Takes all changes that there are. `also` are descriptors, or -1, of which one that is readable
  // ends the wait as a change does.
  [[nodiscard]] Result<Seen> wait(Millis timeout, std::initializer_list<int> also = {});

 private:
  explicit FolderWatch(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// Whether a read of this descriptor would not wait.
[[nodiscard]] bool is_readable(int fd);

}  // namespace drover::os
