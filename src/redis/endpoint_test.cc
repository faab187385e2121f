#include "redis/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::redis {
namespace {

using testing::HasSubstr;
using testing::Not;

Endpoint parsed(std::string_view url) {
  auto endpoint = parse_endpoint(url);
  EXPECT_TRUE(endpoint) << url << ": " << (endpoint ? "" : endpoint.error().text());
  return endpoint.value_or(Endpoint{});
}

TEST(Endpoint, ReadsEveryPart) {
  auto const full = parsed("redis://dro%40ver:p%3Aa%2Fss@[::1]:7000/3");
  EXPECT_EQ(full.transport, Endpoint::Transport::tcp);
  EXPECT_EQ(full.user, "dro@ver");
  EXPECT_EQ(full.password.reveal(), "p:a/ss");
  EXPECT_EQ(full.host, "::1");
  EXPECT_EQ(full.port, 7000);
  EXPECT_EQ(full.db, 3);
  auto const plain = parsed("redis://cache.example");
  EXPECT_EQ(plain.port, 6379);
  EXPECT_TRUE(plain.password.empty());
  EXPECT_EQ(parsed("redis://:secret@h").password.reveal(), "secret");
  auto const tls = parsed("rediss://h:1?ca_file=/etc/a%20b.pem");
  EXPECT_EQ(tls.transport, Endpoint::Transport::tls);
  EXPECT_EQ(tls.ca_file, "/etc/a b.pem");
}

TEST(Endpoint, ReadsUnixSockets) {
  for (auto const* const url : {"unix:///run/r.sock?db=2", "redis+socket:///run/r.sock?db=2"}) {
    auto const endpoint = parsed(url);
    EXPECT_EQ(endpoint.transport, Endpoint::Transport::unix_socket);
    EXPECT_EQ(endpoint.path, "/run/r.sock");
    EXPECT_EQ(endpoint.db, 2);
  }
  EXPECT_EQ(parsed("unix://u:p@/s").user, "u");
}

TEST(Endpoint, ErrorsSayWhatIsWrongAndNeverThePassword) {
  for (auto const* const url :
       {"", "localhost:6379", "http://u:hunter2@h", "redis://", "redis://u:hunter2@:1",
        "redis://u:hunter2@h:0", "redis://u:hunter2@h:70000", "redis://u:hunter2@h/x",
        "redis://u:hunter2@h?ca_file=/x", "rediss://u:hunter2@h?what=1", "unix://u:hunter2@host/p",
        "unix://", "redis://u:hunter2%@h", "redis://u:hunter2#x@h", "redis://u:hunter2@[::1"}) {
    auto const endpoint = parse_endpoint(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(endpoint.error().text(), Not(HasSubstr("hunter2")));
    EXPECT_THAT(endpoint.error().text(), HasSubstr("redis://"));
  }
}

TEST(Endpoint, ShowsItselfWithoutCredentials) {
  EXPECT_EQ(parsed("redis://u:hunter2@h/2").shown(), "redis://h:6379/2");
  EXPECT_EQ(parsed("rediss://u:hunter2@[::1]:7").shown(), "rediss://[::1]:7");
  EXPECT_EQ(parsed("unix://u:hunter2@/s?db=1").shown(), "unix:///s?db=1");
}

}  // namespace
}  // namespace drover::redis
