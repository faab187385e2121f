#include "sandbox/host_facts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "os/files.h"

namespace drover::sandbox {

namespace {

long sysctl(std::string const& path) {
  auto const text = os::read_file(path, 64);
  return text ? std::strtol(text->c_str(), nullptr, 10) : -1;
}

}  // namespace

HostFacts host_facts() {
  HostFacts facts;
  facts.root = ::geteuid() == 0;
  facts.user_namespaces_max = sysctl("/proc/sys/user/max_user_namespaces");
  facts.unprivileged_clone = sysctl("/proc/sys/kernel/unprivileged_userns_clone");
  facts.apparmor_restricts = sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  facts.program = os::real_path("/proc/self/exe").value_or("/usr/bin/drover");
  return facts;
}

std::string namespace_fix(HostFacts const& facts) {
  if (facts.user_namespaces_max == 0) return "sysctl -w user.max_user_namespaces=15000 (it is 0)";
  if (facts.root) return "";
  if (facts.unprivileged_clone == 0)
    return "sysctl -w kernel.unprivileged_userns_clone=1, or run drover as root";
  if (facts.apparmor_restricts == 1)
    return "AppArmor restricts user namespaces here; let this one program have them: drover doctor "
           "--apparmor-profile | sudo tee /etc/apparmor.d/drover && sudo apparmor_parser -r "
           "/etc/apparmor.d/drover";
  return "";
}

std::string apparmor_profile(std::string const& program) {
  // In quotes a path may hold anything but a quote; what AppArmor would read as a pattern is meant
  // as itself.
  std::string path;
  for (char const letter : program) {
    if (std::string_view{"\"\\*?[]{}^@,"}.find(letter) != std::string_view::npos) path += '\\';
    path += letter;
  }
  return fmt::format(
      R"(# Lets drover make the user namespaces of its sandboxes, where AppArmor refuses them to programs
# without a profile (Ubuntu 23.10 and later). It confines nothing and allows nothing else.
abi <abi/4.0>,
include <tunables/global>

profile drover "{}" flags=(unconfined) {{
  userns,

  include if exists <local/drover>
}}
)",
      path);
}

}  // namespace drover::sandbox
