#include "sandbox/inside.h"

#include <gtest/gtest.h>

namespace drover::sandbox {
namespace {

constexpr std::string_view kSafe =
    "Name:\tcat\nPid:\t1\nPPid:\t0\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\n"
    "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
    "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop\n"
    "    lo:       0       0    0    0    0     0          0         0        0       0    0    0\n"
    "20 1 0:30 / / ro,nosuid,nodev - tmpfs drover rw,size=1024k,nr_inodes=4096\n"
    "21 20 0:31 / /tmp rw,nosuid,nodev - tmpfs drover rw,size=524288k,nr_inodes=131072\n"
    "22 20 254:0 /usr /usr ro,nosuid,nodev - ext4 /dev/vda rw\n"
    "23 20 0:5 /null /dev/null ro,nosuid,noexec - devtmpfs dev rw\n";

std::string with(std::string_view from, std::string_view to) {
  std::string text{kSafe};
  auto const at = text.find(from);
  EXPECT_NE(std::string::npos, at) << from;
  return text.replace(at, from.size(), to);
}

std::string faults_of(std::string const& text) {
  auto const inside = parse_inside(text);
  if (!inside) return inside.error().message;
  return fault_of_mounts(*inside) + fault_of_network(*inside) + fault_of_privileges(*inside);
}

TEST(Inside, ASafeOneIsReadWholeAndHasNoFault) {
  auto const inside = parse_inside(kSafe);
  ASSERT_TRUE(inside) << inside.error().text();
  EXPECT_EQ(1, inside->pid);
  EXPECT_EQ(1000, inside->uid);
  EXPECT_EQ(0U, inside->capabilities);
  EXPECT_EQ(2, inside->seccomp);
  EXPECT_EQ(std::vector<std::string>{"lo"}, inside->interfaces);
  ASSERT_EQ(4U, inside->mounts.size());
  EXPECT_EQ(std::uint64_t{512} << 20U, inside->mounts[1].size_bytes);
  EXPECT_EQ(131072U, inside->mounts[1].files);
  EXPECT_EQ("", faults_of(std::string{kSafe}));
}

TEST(Inside, EachWallThatDoesNotStandIsNamed) {
  EXPECT_TRUE(faults_of(with("Pid:\t1\n", "Pid:\t7\n")).contains("process 7"));
  EXPECT_TRUE(faults_of(with("Uid:\t1000\t1000", "Uid:\t0\t0")).contains("uid"));
  EXPECT_TRUE(faults_of(with("Uid:\t1000\t1000", "Uid:\t1000\t0")).contains("uid"));
  EXPECT_TRUE(
      faults_of(with("CapBnd:\t0000000000000000", "CapBnd:\t0000000000200000")).contains("200000"));
  // A set that is not told counts as full.
  EXPECT_TRUE(faults_of(with("CapBnd:\t0000000000000000\n", "")).contains("capabilities"));
  EXPECT_TRUE(faults_of(with("NoNewPrivs:\t1", "NoNewPrivs:\t0")).contains("gain privileges"));
  EXPECT_TRUE(faults_of(with("    lo:", "  eth0:")).contains("eth0"));
  EXPECT_TRUE(faults_of(with("/ / ro,nosuid", "/ / rw,nosuid")).contains("the root is writable"));
  EXPECT_TRUE(faults_of(with("/usr /usr ro", "/usr /usr rw")).contains("/usr is writable"));
  EXPECT_TRUE(faults_of(with("/usr ro,nosuid,", "/usr ro,")).contains("/usr is not nosuid"));
  EXPECT_TRUE(faults_of(with("/tmp rw,nosuid,nodev", "/tmp rw,nosuid")).contains("not nodev"));
  EXPECT_TRUE(faults_of(with("size=524288k,", "")).contains("/tmp has no bound"));
  EXPECT_TRUE(faults_of(with(",nr_inodes=131072", "")).contains("/tmp has no bound"));
}

TEST(Inside, NonsenseIsAnErrorAndNeverASafeAnswer) {
  for (std::string const text :
       {"", "\n\n\n", "Pid:\n", "Pid:\tx\n", " - \n", "1 2 3 - a b c\n", "1 2 3 / /x ro - tmpfs\n"})
    EXPECT_FALSE(parse_inside(text).has_value()) << text;
  EXPECT_FALSE(parse_inside(std::string(10'000, '\n')).has_value());
}

}  // namespace
}  // namespace drover::sandbox
