#include "net/address.h"

#include <gtest/gtest.h>

#include <array>

namespace drover::net {
namespace {

TEST(Address, KindsAreToldApartInEveryNotation) {
  struct Case {
    std::string_view host;
    AddressKind kind;
  };
  constexpr std::array<Case, 30> kCases = {{{"8.8.8.8", AddressKind::open},
                                            {"172.15.255.255", AddressKind::open},
                                            {"172.32.0.0", AddressKind::open},
                                            {"100.63.255.255", AddressKind::open},
                                            {"2606:4700::1111", AddressKind::open},
                                            {"[2606:4700::1111]", AddressKind::open},
                                            {"127.0.0.1", AddressKind::internal},
                                            {"127.255.0.1", AddressKind::internal},
                                            {"10.1.2.3", AddressKind::internal},
                                            {"172.16.0.1", AddressKind::internal},
                                            {"172.31.255.255", AddressKind::internal},
                                            {"192.168.0.1", AddressKind::internal},
                                            {"100.64.0.1", AddressKind::internal},
                                            {"::1", AddressKind::internal},
                                            {"[::1]", AddressKind::internal},
                                            {"fd12::1", AddressKind::internal},
                                            {"::ffff:10.0.0.1", AddressKind::internal},
                                            {"64:ff9b::7f00:1", AddressKind::internal},
                                            {"2002:c0a8:1::", AddressKind::internal},
                                            {"169.254.169.254", AddressKind::metadata},
                                            {"::ffff:169.254.169.254", AddressKind::metadata},
                                            {"2002:a9fe:a9fe::", AddressKind::metadata},
                                            {"100.100.100.200", AddressKind::metadata},
                                            {"192.0.0.192", AddressKind::metadata},
                                            {"fd00:ec2::254", AddressKind::metadata},
                                            {"fe80::1", AddressKind::metadata},
                                            {"0.0.0.0", AddressKind::metadata},
                                            {"::", AddressKind::metadata},
                                            {"224.0.0.1", AddressKind::metadata},
                                            {"255.255.255.255", AddressKind::metadata}}};
  for (auto const& [host, kind] : kCases)
    EXPECT_EQ(kind_of_literal(host), kind) << host;
  EXPECT_FALSE(kind_of_literal("localhost"));
  EXPECT_FALSE(kind_of_literal("1.2.3"));
}

TEST(Address, ReachLetsThroughWhatItsNameSays) {
  EXPECT_TRUE(may_reach(Reach::anywhere, AddressKind::metadata));
  EXPECT_FALSE(may_reach(Reach::no_metadata, AddressKind::metadata));
  EXPECT_TRUE(may_reach(Reach::no_metadata, AddressKind::internal));
  EXPECT_FALSE(may_reach(Reach::public_only, AddressKind::internal));
  EXPECT_FALSE(may_reach(Reach::public_only, AddressKind::metadata));
  EXPECT_TRUE(may_reach(Reach::public_only, AddressKind::open));
}

}  // namespace
}  // namespace drover::net
