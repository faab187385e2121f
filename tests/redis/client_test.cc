// The client against a real redis-server.
#include "redis/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include <boost/asio/co_spawn.hpp>

#include "net/test_socket.h"
#include "redis/failure.h"
#include "redis/redis_server.h"

namespace drover::redis {
namespace {

using test::RedisServer;
using test::RedisServerOptions;
using testing::HasSubstr;
using testing::Not;

constexpr Millis kSoon{2'000};

class RedisClient : public testing::Test {
 protected:
  Result<std::shared_ptr<Connection>> open(std::string const& url, ConnectionOptions options = {}) {
    return store::finish(loop_,
                         Connection::open(loop_.get_executor(), *parse_endpoint(url), options));
  }
  Result<Reply> call(std::shared_ptr<Connection> const& connection, Command command,
                     Millis timeout = kSoon) {
    return store::finish(loop_, connection->call(std::move(command), "do this", timeout));
  }
  void close(std::shared_ptr<Connection> const& connection) {
    connection->close({ErrorCode::cancelled, "the test is over", {}});
    loop_.restart();
    loop_.run();
  }
  boost::asio::io_context loop_;
  SeededRandom random_{7};
};

TEST_F(RedisClient, SpeaksOverTcpUnixSocketsAndDatabases) {
  RedisServer server;
  for (std::string const& url : {server.url(), server.unix_url(), server.url() + "/5"}) {
    auto const connection = open(url);
    ASSERT_TRUE(connection) << connection.error().text();
    ASSERT_TRUE(call(*connection, {"SET", "k", url}));
    EXPECT_EQ(call(*connection, {"GET", "k"})->text, url);
    close(*connection);
  }
  EXPECT_EQ(server.cli({"-n", "5", "GET", "k"}), server.url() + "/5");
}

TEST_F(RedisClient, ManyCommandsInFlightAreAnsweredInOrder) {
  RedisServer server;
  auto const connection = open(server.url());
  ASSERT_TRUE(connection);
  std::vector<Command> commands;
  for (int i = 0; i < 5'000; ++i)
    commands.push_back({"ECHO", fmt::to_string(i)});
  commands.push_back({"NONSENSE"});
  auto const replies = store::finish(loop_, (*connection)->pipeline(commands, kSoon));
  ASSERT_TRUE(replies);
  for (std::size_t i = 0; i < 5'000; ++i)
    ASSERT_EQ((*replies)[i].text, fmt::to_string(i));
  EXPECT_TRUE(replies->back().is_error());
  close(*connection);
}

TEST_F(RedisClient, AnUnansweredCommandEndsTheConnectionInTime) {
  RedisServer server;
  auto const connection = open(server.url());
  ASSERT_TRUE(connection);
  server.pause();
  auto const started = std::chrono::steady_clock::now();
  auto const reply = call(*connection, {"PING"}, Millis{200});
  EXPECT_LT(std::chrono::steady_clock::now() - started, Millis{1'000});
  server.resume();
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::timeout);
  EXPECT_FALSE((*connection)->is_open());
  EXPECT_FALSE(call(*connection, {"PING"}));
  close(*connection);
}

TEST_F(RedisClient, AConnectThatHangsEndsInTime) {
  RedisServer server;
  server.pause();
  ConnectionOptions options;
  options.connect_timeout = Millis{200};
  auto const connection = open(server.url(), options);
  server.resume();
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::timeout);
}

TEST_F(RedisClient, RefusesWhatDoesNotFitInFlight) {
  RedisServer server;
  ConnectionOptions options;
  options.in_flight_max = 2;
  auto const connection = open(server.url(), options);
  ASSERT_TRUE(connection);
  auto const replies =
      store::finish(loop_, (*connection)->pipeline({{"PING"}, {"PING"}, {"PING"}}, kSoon));
  ASSERT_FALSE(replies);
  EXPECT_EQ(replies.error().code, ErrorCode::unavailable);
  EXPECT_TRUE(call(*connection, {"PING"}));
  close(*connection);
}

TEST_F(RedisClient, AReplyOverTheBoundIsAnErrorAndNotMemory) {
  RedisServer server;
  ConnectionOptions options;
  options.reply.bytes_max = 1'000;
  auto const connection = open(server.url(), options);
  ASSERT_TRUE(connection);
  auto const reply = call(*connection, {"ECHO", std::string(2'000, 'x')});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::too_large);
  close(*connection);
}

TEST_F(RedisClient, SaysWhichPasswordAndWhoIsNoRedis) {
  RedisServer server{{.arguments = {"--requirepass", "hunter2"}}};
  std::string const at = fmt::format("127.0.0.1:{}", server.port());
  auto const good = open("redis://:hunter2@" + at);
  ASSERT_TRUE(good) << good.error().text();
  close(*good);
  auto const wrong = open("redis://:hunter3@" + at);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::unauthenticated);
  EXPECT_THAT(wrong.error().text(), Not(HasSubstr("hunter")));
  auto const none = open("redis://" + at);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::unauthenticated);
  EXPECT_THAT(none.error().text(), HasSubstr("password"));
  server.kill();
  auto const nobody = open("redis://" + at);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, ErrorCode::unavailable);
  EXPECT_THAT(nobody.error().text(), HasSubstr(at));
}

TEST_F(RedisClient, RefusesARedisThatIsTooOld) {
  net::RawServer const server([](net::RawSocket& peer, int) {
    (void)peer.read_until("HELLO");
    std::string_view const greeting =
        "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n6.2.7\r\n";
    ASSERT_GT(::send(peer.fd(), greeting.data(), greeting.size(), MSG_NOSIGNAL), 0);
    (void)peer.read_to_end();
  });
  auto const connection = open(fmt::format("redis://127.0.0.1:{}", server.port()));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::unsupported);
  EXPECT_THAT(connection.error().text(), HasSubstr("6.2.7"));
  EXPECT_THAT(connection.error().text(), HasSubstr("use Redis 7"));
}

TEST_F(RedisClient, RefusesWhatIsNoRedis) {
  net::RawServer const server([](net::RawSocket& peer, int) {
    (void)peer.read_until("HELLO");
    std::string_view const answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    ASSERT_GT(::send(peer.fd(), answer.data(), answer.size(), MSG_NOSIGNAL), 0);
    (void)peer.read_to_end();
  });
  auto const connection = open(fmt::format("redis://127.0.0.1:{}", server.port()));
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code, ErrorCode::upstream);
  EXPECT_THAT(connection.error().text(), HasSubstr("Redis protocol"));
}

TEST_F(RedisClient, VerifiesTheCertificate) {
  RedisServer server{{.tls = true}};
  auto const good = open(server.url());
  ASSERT_TRUE(good) << good.error().text();
  EXPECT_EQ(call(*good, {"PING"})->text, "PONG");
  close(*good);
  auto const unknown = open(fmt::format("rediss://localhost:{}", server.port()));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::upstream);
  EXPECT_THAT(unknown.error().text(), HasSubstr("ca_file"));
  auto const other_name =
      open(fmt::format("rediss://127.0.0.1:{}?ca_file={}", server.port(), server.ca_file()));
  ASSERT_FALSE(other_name);
  EXPECT_EQ(other_name.error().code, ErrorCode::upstream);
}

TEST_F(RedisClient, ComesBackAfterARestartAndSendsItsScriptAnew) {
  RedisServer server;
  ClientOptions options;
  options.backoff = {Millis{5}, Millis{50}};
  Client client{loop_.get_executor(), random_, *parse_endpoint(server.url()), options};
  client.start();
  Script const script{"return ARGV[1]"};
  auto const until = [&](bool connected) {
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (client.is_connected() != connected && std::chrono::steady_clock::now() < deadline) {
      loop_.restart();
      loop_.run_one_for(Millis{50});
    }
    return client.is_connected() == connected;
  };
  ASSERT_TRUE(until(true));
  EXPECT_EQ(store::finish(loop_, client.run(script, {{}, {"one"}}, "run it"))->text, "one");
  server.kill();
  ASSERT_TRUE(until(false));
  auto const refused = store::finish(loop_, client.run(script, {{}, {"x"}}, "run it"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  server.start();
  ASSERT_TRUE(until(true));
  EXPECT_EQ(client.generation(), 2U);
  std::vector<Script::Call> calls{{{}, {"two"}}, {{}, {"three"}}};
  auto const replies = store::finish(loop_, client.run_all(script, calls));
  ASSERT_TRUE(replies);
  EXPECT_EQ((*replies)[0].text, "two");
  EXPECT_EQ((*replies)[1].text, "three");
  store::finish(loop_, [](Client& ending) -> Task<Status> {
    co_await ending.stop();
    co_return Status{};
  }(client));
}

}  // namespace
}  // namespace drover::redis
