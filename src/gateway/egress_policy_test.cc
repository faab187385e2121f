#include "gateway/egress_policy.h"

#include <gtest/gtest.h>

namespace drover::gateway {
namespace {

EgressPolicy policy(std::vector<std::string> const& entries) {
  auto parsed = EgressPolicy::parse(entries);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return parsed ? *std::move(parsed) : EgressPolicy{};
}

bool may_ask(EgressPolicy const& policy, std::string_view target) {
  auto const parsed = parse_egress_target(target);
  EXPECT_TRUE(parsed) << target;
  return parsed && policy.may_ask(*parsed).has_value();
}

bool may_connect(EgressPolicy const& policy, std::string_view target, std::string_view address) {
  auto const parsed = parse_egress_target(target);
  EXPECT_TRUE(parsed) << target;
  return parsed && policy.may_connect(*parsed, parse_ip(address).value()).has_value();
}

TEST(EgressPolicy, NamesSubdomainsAndPorts) {
  auto const allowed = policy({"example.org", "*.npmjs.org", "git.example.org:22"});
  for (std::string_view const target :
       {"example.org:443", "Example.ORG:80", "example.org.:443", "registry.npmjs.org:443",
        "a.b.npmjs.org:443", "npmjs.org:443", "git.example.org:22"})
    EXPECT_TRUE(may_ask(allowed, target)) << target;
  for (std::string_view const target :
       {"example.org:22", "www.example.org:443", "evilnpmjs.org:443", "npmjs.org.evil.com:443",
        "git.example.org:443", "example.com:443", "93.184.216.34:443"})
    EXPECT_FALSE(may_ask(allowed, target)) << target;
  EXPECT_FALSE(may_ask(policy({}), "example.org:443")) << "nothing is open without an entry";
}

// A13: a name that leads to an address inside does not open it.
TEST(EgressPolicy, ANameOpensOnlyTheOpenInternet) {
  auto const allowed = policy({"example.org"});
  EXPECT_TRUE(may_connect(allowed, "example.org:443", "93.184.216.34"));
  EXPECT_TRUE(may_connect(allowed, "example.org:443", "2606:2800:220:1::1"));
  for (std::string_view const address : {"127.0.0.1",
                                         "10.0.0.1",
                                         "172.16.9.9",
                                         "192.168.1.1",
                                         "100.64.0.1",
                                         "169.254.169.254",
                                         "100.100.100.200",
                                         "168.63.129.16",
                                         "0.0.0.0",
                                         "224.0.0.1",
                                         "255.255.255.255",
                                         "::1",
                                         "::",
                                         "fe80::1",
                                         "fd00::1",
                                         "fd00:ec2::254",
                                         "ff02::1",
                                         "::ffff:127.0.0.1",
                                         "::ffff:169.254.169.254",
                                         "64:ff9b::7f00:1",
                                         "2002:7f00:1::",
                                         "2001::1"})
    EXPECT_FALSE(may_connect(allowed, "example.org:443", address)) << address;
}

TEST(EgressPolicy, AnAddressInsideIsNamedAsOneOrByItsNetwork) {
  auto const allowed = policy({"house.example.org:8080", "10.0.0.0/8:8080", "127.0.0.1:9000",
                               "fd00::/8", "169.254.169.254:80"});
  EXPECT_TRUE(may_connect(allowed, "house.example.org:8080", "10.1.2.3"));
  EXPECT_FALSE(may_connect(allowed, "house.example.org:8080", "192.168.0.1"));
  EXPECT_TRUE(may_connect(allowed, "127.0.0.1:9000", "127.0.0.1"));
  EXPECT_TRUE(may_connect(allowed, "[::ffff:127.0.0.1]:9000", "127.0.0.1")) << "one address";
  EXPECT_FALSE(may_ask(allowed, "127.0.0.1:9001"));
  EXPECT_TRUE(may_connect(allowed, "169.254.169.254:80", "169.254.169.254")) << "as an address";
  EXPECT_FALSE(may_connect(policy({"0.0.0.0/0:80"}), "169.254.169.254:80", "169.254.169.254"))
      << "and not by a network";
}

TEST(EgressPolicy, OnlyPlainSpellingsAreTargetsAndEntries) {
  for (std::string_view const target :
       {"",         "example.org",      "example.org:", "example.org:0",   "example.org:99999",
        "127.1:80", "2130706433:80",    "0x7f.0x1:80",  "017700000001:80", "[::1:80",
        "::1:80",   "[example.org]:80", "a..b:80",      "-a.org:80",       "a b:80",
        "a@b:80",   "a/b:80",           "http://a:80",  "a:80:90",         "é.org:80"})
    EXPECT_FALSE(parse_egress_target(target)) << target;
  for (std::string const& entry :
       {"*", "*.", "http://a.org", "10.0.0.0/33", "10.0.0.0/x", "a.org:0", "a*.org", "[a.org]"})
    EXPECT_FALSE(EgressPolicy::parse({entry})) << entry;
}

}  // namespace
}  // namespace drover::gateway
