#include "redis/reply.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace drover::redis {
namespace {

// Every reply in `bytes`, fed `step` bytes at a time.
Result<std::vector<Reply>> parse(std::string_view bytes, std::size_t step,
                                 ReplyBounds bounds = {}) {
  ReplyParser parser{bounds};
  std::vector<Reply> all;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    parser.feed(bytes.substr(at, step));
    for (;;) {
      auto reply = parser.next();
      if (!reply) return std::unexpected(reply.error());
      if (!*reply) break;
      all.push_back(std::move(**reply));
    }
  }
  return all;
}

TEST(ReplyParser, ReadsEveryKindWhereverItIsCut) {
  std::string const bytes =
      "+OK\r\n-ERR no\r\n:-7\r\n$5\r\na\r\nb\n\r\n$-1\r\n$0\r\n\r\n*-1\r\n*0\r\n"
      "*2\r\n*2\r\n$1\r\nx\r\n*0\r\n:1\r\n";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    auto const all = parse(bytes, step);
    ASSERT_TRUE(all) << all.error().text();
    ASSERT_EQ(all->size(), 9U) << "step " << step;
    EXPECT_EQ((*all)[0].text, "OK");
    EXPECT_TRUE((*all)[1].is_error());
    EXPECT_EQ((*all)[2].integer, -7);
    EXPECT_EQ((*all)[3].text, "a\r\nb\n");
    EXPECT_TRUE((*all)[4].is_nil());
    EXPECT_EQ((*all)[5].kind, Reply::Kind::bulk);
    EXPECT_TRUE((*all)[6].is_nil());
    EXPECT_TRUE((*all)[7].is_array());
    Reply const& nested = (*all)[8];
    ASSERT_EQ(nested.items.size(), 2U);
    EXPECT_EQ(nested.items[0].items[0].text, "x");
    EXPECT_TRUE(nested.items[0].items[1].items.empty());
    EXPECT_EQ(nested.items[1].integer, 1);
  }
}

TEST(ReplyParser, RefusesWhatIsNotTheProtocol) {
  std::vector<std::string_view> const cases{"HTTP/1.1 400 Bad Request\r\n",
                                            "+OK\n",
                                            ":1x\r\n",
                                            ":\r\n",
                                            "$3\r\nabcd\r\n",
                                            "$-2\r\n",
                                            "*-3\r\n",
                                            "\r\n",
                                            "%1\r\n",
                                            "+a\rb\r\n"};
  for (std::string_view const bytes : cases) {
    auto const all = parse(bytes, 1);
    ASSERT_FALSE(all) << bytes;
    EXPECT_EQ(all.error().code, ErrorCode::upstream);
  }
}

TEST(ReplyParser, HoldsItsBoundsBeforeTheBytesHaveCome) {
  ReplyBounds const bounds{.bytes_max = 100, .items_max = 10, .depth_max = 2};
  for (std::string const& bytes : {std::string{"$101\r\n"}, std::string{"*11\r\n"},
                                   std::string{"*2\r\n*9\r\n"}, std::string{"*1\r\n*1\r\n*1\r\n"},
                                   "*3\r\n$60\r\n" + std::string(60, 'x') + "\r\n$60\r\n"}) {
    auto const all = parse(bytes, bytes.size(), bounds);
    ASSERT_FALSE(all) << bytes;
    EXPECT_EQ(all.error().code, ErrorCode::too_large);
  }
}

TEST(ReplyParser, BoundsHoldForEachReplyOnItsOwn) {
  ReplyBounds const bounds{.bytes_max = 100, .items_max = 2, .depth_max = 1};
  std::string bytes;
  for (int i = 0; i < 100; ++i)
    bytes += "*2\r\n:1\r\n:2\r\n";
  auto const all = parse(bytes, 7, bounds);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->size(), 100U);
}

TEST(Command, IsTheProtocolsArrayOfStrings) {
  std::string out;
  append_command(out, {"SET", "k", "a\r\nb"});
  EXPECT_EQ(out, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n");
  auto const all = parse(out, 1);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->front().items[2].text, "a\r\nb");
}

}  // namespace
}  // namespace drover::redis
