#pragma once
// Waiting until something changes in a folder, instead of looking again and again. One owner.
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
  // Takes all changes that there are. `also`, if not -1, is a descriptor whose being readable ends
  // the wait as a change does.
  [[nodiscard]] Result<Seen> wait(Millis timeout, int also = -1);

 private:
  explicit FolderWatch(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace drover::os
