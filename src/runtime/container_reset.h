#pragma once
// A container or sandbox whose program stays, brought back to how it began: nothing runs in it but
// that program, and nothing is mounted in it that was not there from the start. Needs root; blocks.
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace drover::runtime {

// Of the mountinfo of a program, the last mount first: what is on and below `places` beside each
// place's own mount and the `kept` targets. Pure.
[[nodiscard]] std::vector<std::string> later_mounts(std::string_view mountinfo,
                                                    std::vector<std::string> const& places,
                                                    std::vector<std::string> const& kept);

struct ResetTerms {
  pid_t program = -1;                 // of the host; process 1 inside
  int process = -1;                   // the same as a descriptor
  std::vector<std::string> places{};  // where mounts come later
  std::vector<std::string> kept{};    // of them, what was there from the start
};
// Not while it is frozen. timeout where a process does not end.
[[nodiscard]] Status reset_container(ResetTerms const& terms, Millis timeout);

}  // namespace drover::runtime
