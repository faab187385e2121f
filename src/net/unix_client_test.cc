#include "net/unix_client.h"

#include <gtest/gtest.h>

#include <atomic>

#include "net/test_server.h"
#include "net/test_socket.h"

namespace drover::net {
namespace {

SystemClock const kClock;

BootTime in(Millis wait) {
  return kClock.boot_now() + wait;
}
BootTime soon() {
  return in(Millis{5000});
}

Task<void> echo(HttpRequest request, HttpReply& reply) {
  Headers headers{{"X-Method", request.method}, {"X-Path", request.path}};
  co_await reply.send(200, std::move(headers), std::move(request.body));
}

std::string ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

class UnixClientTest : public ::testing::Test {
 protected:
  UnixClient client() { return std::move(UnixClient::open(path_, kClock).value()); }
  TestFolder folder_;
  std::string path_ = folder_ / "s.sock";
};

TEST_F(UnixClientTest, ManyRequestsOverOneConnection) {
  TestServer server{path_, echo};
  UnixClient unix_client = client();
  int const fd = unix_client.fd();
  for (int i = 0; i < 50; ++i) {
    std::string const body(static_cast<std::size_t>(i) * 1000, 'x');
    auto const response = unix_client.request("POST", "/v1/events", {{"A", "b"}}, body, soon());
    ASSERT_TRUE(response) << response.error().text();
    ASSERT_EQ(response->status, 200);
    ASSERT_EQ(response->body, body);
    ASSERT_EQ(unix_client.fd(), fd) << "the connection was not kept";
  }
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(UnixClientTest, AFewMegabytesGoBothWays) {
  TestServer server{path_, echo};
  UnixClient unix_client = client();
  std::string body(5'000'000, 'x');
  for (std::size_t i = 0; i < body.size(); i += 997)
    body[i] = static_cast<char>('a' + i % 26);
  auto const response = unix_client.request("POST", "/", {}, body, soon());
  ASSERT_TRUE(response) << response.error().text();
  EXPECT_TRUE(response->body == body);
}

TEST_F(UnixClientTest, HeadHasNoBodyAndTheConnectionGoesOn) {
  TestServer server{path_, echo};
  UnixClient unix_client = client();
  ASSERT_EQ(unix_client.request("HEAD", "/", {}, "", soon())->body, "");
  EXPECT_EQ(unix_client.request("POST", "/", {}, "again", soon())->body, "again");
}

TEST_F(UnixClientTest, StreamsAsItComesAndTellsACut) {
  RawServer server{path_, [](RawSocket& peer, int) {
                     peer.read_until("\r\n\r\n");
                     peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
                     peer.read_until("go on", 2000);
                     peer.send("3\r\ntwo\r\n");
                   }};
  UnixClient unix_client = client();
  ASSERT_TRUE(unix_client.start("GET", "/", {}, "", soon()));
  auto const head = unix_client.read_head(soon());
  ASSERT_TRUE(head) << head.error().text();
  EXPECT_EQ((*head)->status, 200);
  EXPECT_EQ(unix_client.read_some(soon()).value(), "one");
  auto const nothing = unix_client.read_some(in(Millis{30}));
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::timeout);
  ASSERT_EQ(::send(unix_client.fd(), "go on", 5, 0), 5);
  // The last bytes before the cut are given, then the error.
  EXPECT_EQ(unix_client.read_some(soon()).value(), "two");
  auto const cut = unix_client.read_some(soon());
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::upstream);
}

TEST_F(UnixClientTest, PollsTwoConnectionsWithoutBlocking) {
  std::atomic<int> turn = 0;
  RawServer first{path_, [&turn](RawSocket& peer, int) {
                    peer.read_until("\r\n\r\n");
                    while (turn == 0)
                      std::this_thread::sleep_for(Millis{1});
                    peer.send(ok("first"));
                    peer.read_to_end();
                  }};
  std::string const other_path = folder_ / "t.sock";
  RawServer second{other_path, [](RawSocket& peer, int) {
                     peer.read_until("\r\n\r\n");
                     peer.send(ok("second"));
                     peer.read_to_end();
                   }};
  UnixClient slow = client();
  UnixClient quick = std::move(UnixClient::open(other_path, kClock).value());
  ASSERT_TRUE(slow.start("GET", "/", {}, "", soon()));
  ASSERT_TRUE(quick.start("GET", "/", {}, "", soon()));
  std::string order;
  while (!slow.done() || !quick.done()) {
    pollfd entries[] = {{slow.fd(), POLLIN, 0}, {quick.fd(), POLLIN, 0}};
    ASSERT_GT(::poll(entries, 2, 5000), 0);
    ASSERT_TRUE(slow.on_readable());
    ASSERT_TRUE(quick.on_readable());
    order += slow.take_body() + quick.take_body();
    if (quick.done()) turn = 1;
  }
  EXPECT_EQ(order, "secondfirst");
}

TEST_F(UnixClientTest, ConnectsAgainWhenTheServerClosedTheIdleConnection) {
  std::atomic<int> connections = 0;
  RawServer server{path_, [&connections](RawSocket& peer, int) {
                     ++connections;
                     peer.read_until("\r\n\r\n");
                     peer.send(ok("x"));
                   }};
  UnixClient unix_client = client();
  for (int i = 0; i < 3; ++i) {
    auto const response = unix_client.request("GET", "/", {}, "", soon());
    ASSERT_TRUE(response) << response.error().text();
    std::this_thread::sleep_for(Millis{20});
  }
  EXPECT_EQ(connections, 3);
}

TEST_F(UnixClientTest, SendsAgainWhenTheServerClosedOnASecondRequest) {
  // The server reads the second request of a connection and closes without a byte.
  RawServer server{path_, [](RawSocket& peer, int) {
                     peer.read_until("\r\n\r\n");
                     peer.send(ok("x"));
                     peer.read_until("\r\n\r\n");
                   }};
  UnixClient unix_client = client();
  ASSERT_TRUE(unix_client.request("GET", "/", {}, "", soon()));
  auto const second = unix_client.request("GET", "/", {}, "", soon());
  ASSERT_TRUE(second) << second.error().text();
  EXPECT_EQ(second->body, "x");
}

TEST_F(UnixClientTest, NeverSendsAgainOnceAByteOfTheResponseWasSeen) {
  std::atomic<int> requests = 0;
  RawServer server{path_, [&requests](RawSocket& peer, int) {
                     while (!peer.read_until("\r\n\r\n").empty()) {
                       ++requests;
                       if (requests >= 2) {
                         peer.send("H");
                         return;
                       }
                       peer.send(ok("x"));
                     }
                   }};
  UnixClient unix_client = client();
  ASSERT_TRUE(unix_client.request("GET", "/", {}, "", soon()));
  auto const second = unix_client.request("GET", "/", {}, "", soon());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::upstream);
  EXPECT_EQ(requests, 2);
}

TEST_F(UnixClientTest, AFreshConnectionThatIsClosedIsUnavailable) {
  std::atomic<int> connections = 0;
  RawServer server{path_, [&connections](RawSocket& peer, int) {
                     ++connections;
                     peer.read_until("\r\n\r\n");
                   }};
  UnixClient unix_client = client();
  auto const response = unix_client.request("GET", "/", {}, "", soon());
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::unavailable);
  EXPECT_EQ(connections, 1);
}

TEST_F(UnixClientTest, AnEarlyAnswerToALargeBodyIsRead) {
  HttpServerOptions options;
  options.body_bytes_max = 1000;
  TestServer server{path_, echo, options};
  UnixClient unix_client = client();
  auto const response = unix_client.request("POST", "/", {}, std::string(3'000'000, 'x'), soon());
  ASSERT_TRUE(response) << response.error().text();
  EXPECT_EQ(response->status, 413);
  EXPECT_EQ(unix_client.request("POST", "/", {}, "small", soon())->body, "small");
}

TEST_F(UnixClientTest, DeadlinesHold) {
  RawServer server{path_, [](RawSocket& peer, int) { peer.read_to_end(1000); }};
  UnixClient unix_client = client();
  auto const before = kClock.boot_now();
  auto const response = unix_client.request("GET", "/", {}, "", in(Millis{50}));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::timeout);
  EXPECT_LT(kClock.boot_now() - before, Millis{500});
}

TEST_F(UnixClientTest, RefusesWhatCouldForgeARequest) {
  TestServer server{path_, echo};
  UnixClient unix_client = client();
  EXPECT_FALSE(unix_client.start("GET /x", "/", {}, "", soon()));
  EXPECT_FALSE(unix_client.start("GET", "/ HTTP/1.1\r\nA: b", {}, "", soon()));
  EXPECT_FALSE(unix_client.start("GET", "", {}, "", soon()));
  EXPECT_FALSE(unix_client.start("GET", "/", {{"A", "b\r\nC: d"}}, "", soon()));
  EXPECT_FALSE(unix_client.start("GET", "/", {{"Content-Length", "1"}}, "", soon()));
}

TEST_F(UnixClientTest, NobodyThereIsUnavailable) {
  auto const none = UnixClient::open(path_, kClock);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::unavailable);
}

TEST_F(UnixClientTest, PathsLongerThanSunPathWork) {
  std::string const deep = folder_ / std::string(100, 'd');
  ASSERT_TRUE(os::make_folders(deep));
  TestServer server{deep + "/unit.sock", echo};
  auto unix_client = UnixClient::open(deep + "/unit.sock", kClock);
  ASSERT_TRUE(unix_client) << unix_client.error().text();
  EXPECT_EQ(unix_client->request("POST", "/", {}, "deep", soon())->body, "deep");
}

}  // namespace
}  // namespace drover::net
