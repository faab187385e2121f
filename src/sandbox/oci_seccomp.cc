#include "sandbox/oci_seccomp.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string_view>

#include <boost/json.hpp>

#include "base/json.h"
#include "sandbox/denied_calls.h"

namespace drover::sandbox {

namespace {

constexpr int kNumberMost = 1023;  // beyond every call there is
constexpr std::uint64_t kSetId = S_ISUID | S_ISGID;
constexpr std::uint64_t kTemporary = O_TMPFILE & ~O_DIRECTORY;

struct Freed {
  void operator()(char* text) const { std::free(text); }
};

// One argument of a call: `mask` of it has to be `value`.
struct When {
  unsigned argument = 0;
  std::uint64_t mask = 0;
  std::uint64_t value = 0;
};

class ProfileWriter {
 public:
  void allow(json::array names) { add("SCMP_ACT_ALLOW", 0, std::move(names), {}); }
  // All of `when` have to hold; further rules of the same call are further ways.
  void allow_if(std::string_view name, std::initializer_list<When> when) {
    json::array arguments;
    for (auto const& one : when)
      arguments.push_back(json::object{{"index", one.argument},
                                       {"value", one.mask},
                                       {"valueTwo", one.value},
                                       {"op", "SCMP_CMP_MASKED_EQ"}});
    add("SCMP_ACT_ALLOW", 0, {name}, std::move(arguments));
  }
  void refuse(json::array names, int error) { add("SCMP_ACT_ERRNO", error, std::move(names), {}); }
  [[nodiscard]] std::string print() const {
    return json::serialize(json::object{
        {"defaultAction", "SCMP_ACT_ERRNO"}, {"defaultErrnoRet", ENOSYS}, {"syscalls", calls_}});
  }

 private:
  void add(std::string_view action, int error, json::array names, json::array arguments) {
    json::object call{{"names", std::move(names)}, {"action", action}};
    if (error != 0) call["errnoRet"] = error;
    if (!arguments.empty()) call["args"] = std::move(arguments);
    calls_.push_back(std::move(call));
  }
  json::array calls_;
};

// Those that are allowed only in part, or whose absence programs have to be told.
constexpr std::string_view kSpecial[] = {"clone", "clone3",  "ioctl",    "socket",    "socketpair",
                                         "chmod", "fchmod",  "fchmodat", "fchmodat2", "creat",
                                         "mknod", "mknodat", "open",     "openat",    "openat2"};

bool is_plain(std::string_view name) {
  return std::ranges::find(kSpecial, name) == std::ranges::end(kSpecial) &&
         std::ranges::none_of(kDenied, [&](char const* denied) { return name == denied; });
}

// Every call that libseccomp has a name for, but the special and the denied ones.
json::array plain_calls() {
  json::array names;
  for (int number = 0; number <= kNumberMost; ++number) {
    std::unique_ptr<char, Freed> const name{
        seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number)};
    if (name && is_plain(name.get())) names.emplace_back(name.get());
  }
  return names;
}

// Every command but two that differ in their last four bits alone: one of the other bits is
// another than theirs, or the four are neither's.
void allow_ioctl(ProfileWriter& profile) {
  constexpr std::uint64_t kNibble = 0xf;
  constexpr unsigned kBits = 32;  // that the kernel reads
  for (unsigned bit = 4; bit < kBits; ++bit) {
    std::uint64_t const mask = std::uint64_t{1} << bit;
    profile.allow_if("ioctl", {{1, mask, ~kTerminalInjection[0] & mask}});
  }
  for (std::uint64_t last = 0; last <= kNibble; ++last)
    if (std::ranges::none_of(kTerminalInjection,
                             [&](std::uint64_t command) { return (command & kNibble) == last; }))
      profile.allow_if("ioctl", {{1, kNibble, last}});
}

// As in seccomp_filter.cc: no file with the bits that lend its owner's rights.
void allow_files(ProfileWriter& profile) {
  for (auto const& [name, mode] : {std::pair<std::string_view, unsigned>{"chmod", 1},
                                   {"fchmod", 1},
                                   {"fchmodat", 2},
                                   {"creat", 1},
                                   {"mknod", 1},
                                   {"mknodat", 2}})
    profile.allow_if(name, {{mode, kSetId, 0}});
  for (auto const& [name, mode] :
       {std::pair<std::string_view, unsigned>{"open", 2}, {"openat", 3}}) {
    profile.allow_if(name, {{mode, kSetId, 0}});
    // Without a flag that creates, the mode is whatever the register held.
    profile.allow_if(name, {{mode - 1, O_CREAT | kTemporary, 0}});
  }
}

}  // namespace

static_assert((kTerminalInjection[0] ^ kTerminalInjection[1]) <= 0xf);

std::string oci_seccomp_profile() {
  ProfileWriter profile;
  profile.allow(plain_calls());
  std::uint64_t namespaces = 0;
  for (auto const flag : kNamespaceFlags)
    namespaces |= flag;
  profile.allow_if("clone", {{0, namespaces, 0}});
  for (std::string_view const call : {"socket", "socketpair"})
    for (int const family : {AF_UNIX, AF_INET, AF_INET6})
      profile.allow_if(call, {{0, ~std::uint64_t{0}, static_cast<std::uint64_t>(family)}});
  allow_ioctl(profile);
  allow_files(profile);
  json::array denied;
  for (auto const* const name : kDenied)
    denied.emplace_back(name);
  profile.refuse(std::move(denied), EPERM);
  // So that programs fall back to calls whose arguments can be seen.
  profile.refuse({"clone3", "openat2", "fchmodat2"}, ENOSYS);
  return profile.print();
}

}  // namespace drover::sandbox
