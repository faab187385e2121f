#include "sandbox/oci_seccomp.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <random>

#include <boost/json.hpp>

#include "base/json.h"
#include "sandbox/denied_calls.h"

namespace drover::sandbox {
namespace {

using Arguments = std::vector<std::uint64_t>;

bool names(json::value const& rule, std::string_view call) {
  auto const& all = rule.at("names").get_array();
  return std::ranges::any_of(all, [&](auto const& name) { return name.as_string() == call; });
}

bool holds(json::value const& rule, Arguments const& arguments) {
  auto const* const wanted = rule.get_object().if_contains("args");
  if (wanted == nullptr) return true;
  return std::ranges::all_of(wanted->get_array(), [&](auto const& one) {
    EXPECT_EQ("SCMP_CMP_MASKED_EQ", one.at("op").as_string());
    auto const value = arguments.at(one.at("index").template to_number<std::size_t>());
    return (value & one.at("value").template to_number<std::uint64_t>()) ==
           one.at("valueTwo").template to_number<std::uint64_t>();
  });
}

// What an OCI runtime makes of the profile.
bool allowed(std::string_view call, Arguments const& arguments = {0, 0, 0, 0, 0, 0}) {
  static auto const profile = parse_json(oci_seccomp_profile()).value();
  EXPECT_EQ("SCMP_ACT_ERRNO", profile.at("defaultAction").as_string());
  return std::ranges::any_of(profile.at("syscalls").get_array(), [&](auto const& rule) {
    return rule.at("action").as_string() == "SCMP_ACT_ALLOW" && names(rule, call) &&
           holds(rule, arguments);
  });
}

TEST(OciSeccomp, WhatASandboxMayNotCallAContainerMayNot) {
  for (auto const* const call : kDenied)
    EXPECT_FALSE(allowed(call)) << call;
  for (auto const* const call : {"clone3", "openat2", "fchmodat2", "statmount", "no_such_call"})
    EXPECT_FALSE(allowed(call)) << call;
  for (auto const* const call : {"read", "write", "execve", "mmap", "futex", "epoll_wait",
                                 "connect", "kill", "rename", "fork", "prctl", "seccomp"})
    EXPECT_TRUE(allowed(call)) << call;
}

TEST(OciSeccomp, NoNamespaceIsMade) {
  EXPECT_TRUE(allowed("clone", {CLONE_VM | CLONE_THREAD, 0, 0, 0, 0, 0}));
  for (auto const flag : kNamespaceFlags)
    EXPECT_FALSE(allowed("clone", {flag | CLONE_VM, 0, 0, 0, 0, 0})) << flag;
}

TEST(OciSeccomp, SocketsAreUnixAndIp) {
  for (auto const* const call : {"socket", "socketpair"})
    for (std::uint64_t family = 0; family < 64; ++family) {
      bool const usual = family == AF_UNIX || family == AF_INET || family == AF_INET6;
      EXPECT_EQ(usual, allowed(call, {family, 0, 0, 0, 0, 0})) << family;
      EXPECT_FALSE(allowed(call, {family | (std::uint64_t{1} << 40U), 0, 0, 0, 0, 0}));
    }
}

TEST(OciSeccomp, EveryIoctlButTwoWhateverTheHighBitsSay) {
  std::mt19937_64 random{7};
  auto const check = [](std::uint64_t command) {
    auto const low = static_cast<std::uint32_t>(command);
    bool const injects = low == kTerminalInjection[0] || low == kTerminalInjection[1];
    EXPECT_EQ(!injects, allowed("ioctl", {0, command, 0, 0, 0, 0})) << command;
  };
  for (auto const command : kTerminalInjection) {
    check(command);
    check(command | (std::uint64_t{1} << 33U));
    for (unsigned bit = 0; bit < 32; ++bit)
      check(command ^ (std::uint64_t{1} << bit));
  }
  for (int i = 0; i < 2000; ++i)
    check(random());
}

TEST(OciSeccomp, NoFileIsMadeThatLendsItsOwnersRights) {
  for (std::uint64_t const bit : {std::uint64_t{S_ISUID}, std::uint64_t{S_ISGID}}) {
    EXPECT_FALSE(allowed("chmod", {0, 0755 | bit, 0, 0, 0, 0}));
    EXPECT_FALSE(allowed("fchmodat", {0, 0, 0755 | bit, 0, 0, 0}));
    EXPECT_FALSE(allowed("openat", {0, 0, O_CREAT | O_WRONLY, 0755 | bit, 0, 0}));
    EXPECT_FALSE(allowed("open", {0, O_TMPFILE | O_RDWR, 0755 | bit, 0, 0, 0}));
    EXPECT_TRUE(allowed("openat", {0, 0, O_RDONLY, 0755 | bit, 0, 0})) << "the mode says nothing";
    EXPECT_TRUE(allowed("open", {0, O_DIRECTORY, 0755 | bit, 0, 0, 0}));
  }
  EXPECT_TRUE(allowed("chmod", {0, 0755, 0, 0, 0, 0}));
  EXPECT_TRUE(allowed("openat", {0, 0, O_CREAT | O_WRONLY, 0644, 0, 0}));
}

}  // namespace
}  // namespace drover::sandbox
