#include "base/secret.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <utility>

namespace drover {
namespace {

TEST(Secret, NeverFormatsItsValue) {
  Secret const secret{"hunter2"};
  EXPECT_EQ(fmt::format("{} {:>5}", secret, secret), "***   ***");
  EXPECT_EQ(secret.reveal(), "hunter2");
}

template <class T>
constexpr bool is_comparable = requires(T a, T b) { a == b; };

TEST(Secret, IsNotComparedOrConvertedByAccident) {
  EXPECT_FALSE((std::is_convertible_v<Secret, std::string>));
  EXPECT_FALSE((std::is_convertible_v<std::string, Secret>));
  EXPECT_FALSE(is_comparable<Secret>);
}

TEST(Secret, EqualsOnlyTheWholeValue) {
  Secret const secret{"abc"};
  EXPECT_TRUE(secret.equals("abc"));
  for (auto const* other : {"", "a", "ab", "abd", "xbc", "abcd", "abcabc", "ABC"})
    EXPECT_FALSE(secret.equals(other)) << other;
  EXPECT_FALSE(Secret{}.equals("x"));
  EXPECT_FALSE((Secret{std::string("a\0b", 3)}.equals("a")));
}

TEST(Secret, CopiesAreIndependentAndMovesLeaveNothing) {
  Secret first{"value-1"};
  Secret const copy = first;
  Secret moved = std::move(first);
  EXPECT_EQ(copy.reveal(), "value-1");
  EXPECT_EQ(moved.reveal(), "value-1");
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is the property
  moved = Secret{"value-2"};
  EXPECT_EQ(moved.reveal(), "value-2");
  moved = static_cast<Secret const&>(moved);
  EXPECT_EQ(moved.reveal(), "value-2");
}

}  // namespace
}  // namespace drover
