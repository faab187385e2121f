#pragma once
// The same sandbox by bubblewrap, for a user whom the machine lets make namespaces with that
// program only (by its AppArmor profile, or because it is setuid). Pure but for looking at the
// host's root. It is not the same wall: Landlock cannot be had, and the files of a tmpfs cannot be
// counted. So nothing falls back to it by itself: who chooses it is told what is missing, and what
// a spec asks for and cannot have is a refusal.
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "sandbox/spec.h"

namespace drover::sandbox {

// Descriptors, by the numbers that bubblewrap has them at.
struct BubblewrapFds {
  int filter = -1;           // holds the seccomp program
  int gate = -1;             // it waits there for a byte before the program runs
  int info = -1;             // it says there which process the program is
  std::vector<int> files{};  // with the content of each of bubblewrap_files()
};

// One of the folders and links beside /usr on this host.
struct HostEntry {
  std::string path{};
  std::string link{};  // where it leads; empty for what is no link
};
[[nodiscard]] std::vector<HostEntry> host_layout();

// Those of /etc, then the spec's own: in the order of the descriptors.
[[nodiscard]] std::vector<FileMount> bubblewrap_files(SandboxSpec const& spec);

// unsupported, by name, for what bubblewrap cannot do. `user` is who runs it.
[[nodiscard]] Status fits_bubblewrap(SandboxSpec const& spec, uid_t user);
// What is missing although nobody asked to go without.
[[nodiscard]] std::vector<std::string> lost_with_bubblewrap();
// Behind the program's own name.
[[nodiscard]] std::vector<std::string> bubblewrap_arguments(SandboxSpec const& spec,
                                                            std::vector<HostEntry> const& host,
                                                            BubblewrapFds const& fds);

}  // namespace drover::sandbox
