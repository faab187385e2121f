#pragma once
// Why a host refuses namespaces, from its settings: pure but for reading them.
#include <string>

namespace drover::sandbox {

struct HostFacts {
  bool root = false;              // of the host
  long user_namespaces_max = -1;  // user.max_user_namespaces; -1 where this kernel has no such
  long unprivileged_clone = -1;   // kernel.unprivileged_userns_clone, of Debian
  long apparmor_restricts = -1;   // kernel.apparmor_restrict_unprivileged_userns, of Ubuntu
  std::string program{};          // the running executable
};
[[nodiscard]] HostFacts host_facts();

// An instruction; empty where nothing is known to be wrong.
[[nodiscard]] std::string namespace_fix(HostFacts const& facts);
// For /etc/apparmor.d/drover: lets this one program make user namespaces, and changes nothing else.
[[nodiscard]] std::string apparmor_profile(std::string const& program);

}  // namespace drover::sandbox
