#include "contract/identity.h"

#include <gtest/gtest.h>

#include "contract/test_examples.h"

namespace drover::contract {
namespace {

TEST(IdentityContract, GoldensRoundTrip) {
  for (auto const& example : examples("identity.v1", "valid", "claims")) {
    auto const claims = parse_claims(example.text);
    ASSERT_TRUE(claims.has_value()) << example.name << ": " << claims.error().message;
    EXPECT_EQ(json_of(print(*claims)), json_of(example.text)) << example.name;
  }
  for (auto const& example : examples("identity.v1", "valid", "header")) {
    auto const header = parse_token_header(example.text);
    ASSERT_TRUE(header.has_value()) << example.name;
    EXPECT_EQ(json_of(print(*header)), json_of(example.text)) << example.name;
  }
  for (auto const& example : examples("identity.v1", "invalid", "claims"))
    EXPECT_FALSE(parse_claims(example.text).has_value()) << example.name;
  for (auto const& example : examples("identity.v1", "invalid", "header"))
    EXPECT_FALSE(parse_token_header(example.text).has_value()) << example.name;
}

TEST(IdentityContract, ATokenCannotNameItsOwnAlgorithmAway) {
  for (auto const* header :
       {R"({"alg":"none","typ":"vxd"})", R"({"alg":"RS256","typ":"vxd"})",
        R"({"alg":"eddsa","typ":"vxd"})", R"({"typ":"vxd"})", R"({"alg":"EdDSA"})"})
    EXPECT_FALSE(parse_token_header(header).has_value()) << header;
}

}  // namespace
}  // namespace drover::contract
