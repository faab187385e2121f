#pragma once
// The processes of a sandbox, from the host's /proc: seccomp forbids it namespaces of its own, so
// those of its pid namespace are all.
#include <sys/types.h>

#include <optional>
#include <vector>

namespace drover::sandbox {

// nullopt where the process has gone.
[[nodiscard]] std::optional<ino_t> pid_namespace_of(pid_t pid);
[[nodiscard]] std::vector<pid_t> members_of(ino_t pid_namespace);
// Of the namespace that the init is in; empty once it has gone.
[[nodiscard]] std::vector<pid_t> members_of_init(pid_t init);

}  // namespace drover::sandbox
