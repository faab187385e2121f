#include "redis/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::redis {
namespace {

using testing::HasSubstr;

Error error_of(std::string const& text) {
  Reply reply;
  reply.kind = Reply::Kind::error;
  reply.text = text;
  return to_error(reply, "offer runs");
}

TEST(Failure, NamesWhatFailedAndWhatNext) {
  auto const right = error_of("NOPERM this user has no permissions to run the 'xadd' command");
  EXPECT_EQ(right.code, ErrorCode::forbidden);
  EXPECT_THAT(right.text(), HasSubstr("offer runs"));
  EXPECT_THAT(right.text(), HasSubstr("'xadd'"));
  EXPECT_THAT(right.next, HasSubstr("ACL SETUSER"));
  EXPECT_EQ(error_of("WRONGPASS invalid").code, ErrorCode::unauthenticated);
  EXPECT_EQ(error_of("OOM command not allowed when used memory > 'maxmemory'.").code,
            ErrorCode::no_space);
  EXPECT_EQ(error_of("ERR unknown command 'XAUTOCLAIM'").code, ErrorCode::unsupported);
  EXPECT_EQ(error_of("LOADING Redis is loading the dataset in memory").code,
            ErrorCode::unavailable);
}

TEST(Failure, TellsWhatTryingAgainCannotMend) {
  EXPECT_TRUE(needs_a_human(error_of("NOPERM x")));
  EXPECT_TRUE(needs_a_human(error_of("WRONGPASS x")));
  EXPECT_FALSE(needs_a_human(error_of("OOM x")));
  EXPECT_FALSE(needs_a_human(error_of("LOADING x")));
}

}  // namespace
}  // namespace drover::redis
