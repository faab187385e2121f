#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include "net/test_server.h"
#include "net/test_socket.h"

namespace drover::net {
namespace {

using ::testing::HasSubstr;

Task<void> echo(HttpRequest request, HttpReply& reply) {
  Headers headers{{"X-Method", request.method}, {"X-Peer", request.peer}};
  co_await reply.send(request.path == "/teapot" ? 404 : 200, std::move(headers),
                      std::move(request.body));
}

// A client on its own loop, called from the test's thread.
class Client {
 public:
  Client() : client_(loop_.call([this] { return std::make_unique<HttpClient>(loop_.io); })) {}
  // NOLINTNEXTLINE(bugprone-exception-escape): what fails here may end the test program
  ~Client() {
    loop_.call([this] { client_.reset(); });
  }
  Client(Client const&) = delete;
  Client& operator=(Client const&) = delete;
  Result<HttpResponse> send(ClientRequest request) {
    return loop_.wait_for(client_->send(std::move(request)));
  }
  LoopThread& loop() { return loop_; }
  HttpClient& http() { return *client_; }
  void close() {
    loop_.call([this] { client_.reset(); });
  }

 private:
  LoopThread loop_;
  std::unique_ptr<HttpClient> client_;
};

TEST(HttpClient, MethodsHeadersAndBodiesArrive) {
  TestServer server{echo};
  Client client;
  for (std::string method : {"POST", "PUT", "PATCH", "GET", "DELETE"}) {
    ClientRequest request{.method = method, .url = server.url("/"), .body = "body of " + method};
    auto const response = client.send(std::move(request));
    ASSERT_TRUE(response) << response.error().text();
    EXPECT_EQ(*response->headers.find("X-Method"), method);
    EXPECT_EQ(response->body, "body of " + method);
  }
  ClientRequest head{.method = "HEAD", .url = server.url("/")};
  EXPECT_EQ(*client.send(std::move(head))->headers.find("x-method"), "HEAD");
  ClientRequest empty{.method = "POST", .url = server.url("/teapot")};
  EXPECT_EQ(client.send(std::move(empty))->status, 404) << "a status is no Error";
}

TEST(HttpClient, KeepsItsConnection) {
  TestServer server{echo};
  Client client;
  ClientRequest const request{.url = server.url("/")};
  std::string const peer = *client.send(request)->headers.find("X-Peer");
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(*client.send(request)->headers.find("X-Peer"), peer);
}

TEST(HttpClient, ManyAtOnce) {
  TestServer server{echo};
  Client client;
  std::vector<std::future<Result<HttpResponse>>> waiting;
  for (int i = 0; i < 100; ++i) {
    ClientRequest request{.method = "POST", .url = server.url("/"), .body = std::to_string(i)};
    waiting.push_back(boost::asio::co_spawn(
        client.loop().io, client.http().send(std::move(request)), boost::asio::use_future));
  }
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    auto const response = waiting[i].get();
    ASSERT_TRUE(response) << response.error().text();
    EXPECT_EQ(response->body, std::to_string(i));
  }
}

TEST(HttpClient, UnixSockets) {
  TestFolder folder;
  TestServer server{folder / "s.sock", echo};
  Client client;
  ClientRequest request{.method = "POST", .url = "http://anything/", .body = "x"};
  request.unix_socket = folder / "s.sock";
  auto const response = client.send(std::move(request));
  ASSERT_TRUE(response) << response.error().text();
  EXPECT_EQ(*response->headers.find("X-Peer"), "unix");
}

Task<Result<std::string>> read_slowly(HttpClient& http, ClientRequest request,
                                      std::atomic<bool>& go_on) {
  auto const stream = co_await http.open(std::move(request));
  if (!stream) co_return std::unexpected(stream.error());
  auto const executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer{executor};
  while (!go_on) {
    timer.expires_after(Millis{2});
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  std::string body;
  while (true) {
    auto const piece = co_await (*stream)->read();
    if (!piece) co_return std::unexpected(piece.error());
    if (!*piece) co_return body;
    body += **piece;
  }
}

TEST(HttpClient, ASlowReaderSlowsTheSenderAndLosesNothing) {
  constexpr std::size_t kBlocks = 400;
  std::string const block(100'000, 'x');
  std::atomic<std::size_t> sent = 0;
  RawServer server{[&](RawSocket& peer, int) {
    peer.read_until("\r\n\r\n");
    peer.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", kBlocks * block.size()));
    for (std::size_t i = 0; i < kBlocks && peer.send(block); ++i)
      ++sent;
  }};
  Client client;
  std::atomic<bool> go_on = false;
  ClientRequest request{.url = fmt::format("http://127.0.0.1:{}/", server.port())};
  auto body =
      boost::asio::co_spawn(client.loop().io, read_slowly(client.http(), std::move(request), go_on),
                            boost::asio::use_future);
  std::size_t before = 0;
  do {
    before = sent;
    std::this_thread::sleep_for(Millis{150});
  } while (sent != before);
  EXPECT_LT(sent, kBlocks) << "40 MB fit nowhere but in our memory";
  go_on = true;
  auto const whole = body.get();
  ASSERT_TRUE(whole) << whole.error().text();
  EXPECT_EQ(whole->size(), kBlocks * block.size());
}

Task<Status> open_and_drop(HttpClient& http, ClientRequest request) {
  auto const stream = co_await http.open(std::move(request));
  if (!stream) co_return std::unexpected(stream.error());
  auto const piece = co_await (*stream)->read();
  if (!piece) co_return std::unexpected(piece.error());
  co_return Status{};
}

TEST(HttpClient, DroppingTheStreamClosesTheConnection) {
  std::atomic<bool> closed = false;
  RawServer server{[&](RawSocket& peer, int) {
    peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 200 OK\r\n\r\nfirst");
    peer.read_to_end();
    closed = true;
  }};
  Client client;
  ClientRequest request{.url = fmt::format("http://127.0.0.1:{}/", server.port())};
  ASSERT_TRUE(client.loop().wait_for(open_and_drop(client.http(), std::move(request))));
  for (int i = 0; i < 2000 && !closed; ++i)
    std::this_thread::sleep_for(Millis{1});
  EXPECT_TRUE(closed);
}

TEST(HttpClient, EachTimeoutNamesItsPhase) {
  RawServer server{[](RawSocket& peer, int connection) {
    peer.read_until("\r\n\r\n");
    if (connection > 0) peer.send("HTTP/1.1 200 OK\r\n\r\nfirst");
    peer.read_to_end(2000);
  }};
  Client client;
  ClientRequest request{.url = fmt::format("http://127.0.0.1:{}/", server.port())};
  request.timeouts.head = Millis{50};
  auto const head = client.send(request);
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().code, ErrorCode::timeout);
  EXPECT_THAT(head.error().message, HasSubstr("the wait for the response"));
  request.timeouts = {.idle = Millis{50}};
  auto const idle = client.send(request);
  ASSERT_FALSE(idle);
  EXPECT_EQ(idle.error().code, ErrorCode::timeout);
  EXPECT_THAT(idle.error().message, HasSubstr("silence"));
  request.timeouts = {.total = Millis{50}};
  auto const total = client.send(request);
  ASSERT_FALSE(total);
  EXPECT_EQ(total.error().code, ErrorCode::timeout);
  EXPECT_THAT(total.error().message, HasSubstr("whole"));
}

TEST(HttpClient, ErrorsAreToldApart) {
  std::uint16_t closed_port = 0;
  {
    closed_port = open_tcp_listener("127.0.0.1", 0)->port;
  }
  RawServer server{[](RawSocket& peer, int) {
    std::string const request = peer.read_until("\r\n\r\n");
    if (request.find("/cut") != std::string::npos)
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    if (request.find("/noise") != std::string::npos)
      peer.send("\x16\x03\x01 not http at all\r\n\r\n");
    if (request.find("/headers") != std::string::npos) {
      peer.send("HTTP/1.1 200 OK\r\n");
      std::string const line = "A: " + std::string(1000, 'x') + "\r\n";
      for (int i = 0; i < 1000 && peer.send(line); ++i)
        continue;
    }
    if (request.find("/large") != std::string::npos)
      peer.send("HTTP/1.1 200 OK\r\n\r\n" + std::string(2000, 'x'));
  }};
  Client client;
  auto const code = [&](std::string_view path, std::size_t bytes_max = 1000) {
    ClientRequest request{.url = fmt::format("http://127.0.0.1:{}{}", server.port(), path)};
    request.body_bytes_max = bytes_max;
    auto const response = client.send(std::move(request));
    return response ? "ok" : std::string{to_string(response.error().code)};
  };
  EXPECT_EQ(code("/cut"), "upstream");
  EXPECT_EQ(code("/nothing"), "upstream");
  EXPECT_EQ(code("/noise"), "upstream");
  EXPECT_EQ(code("/headers"), "too_large");
  EXPECT_EQ(code("/large"), "too_large");
  EXPECT_EQ(code("/large", 2000), "ok");
  ClientRequest refused{.url = fmt::format("http://127.0.0.1:{}/?key=secret", closed_port)};
  auto const unavailable = client.send(std::move(refused));
  ASSERT_FALSE(unavailable);
  EXPECT_EQ(unavailable.error().code, ErrorCode::unavailable);
  EXPECT_EQ(unavailable.error().text().find("secret"), std::string::npos);
  for (ClientRequest const& bad :
       {ClientRequest{.url = "file:///etc/passwd"}, ClientRequest{.url = "ht!tp://"},
        ClientRequest{.url = "http://h/\r\nA: b"},
        ClientRequest{.method = "GET /", .url = "http://h"},
        ClientRequest{.url = "http://h", .headers = {{"A", "b\r\nC: d"}}}}) {
    auto const response = client.send(bad);
    ASSERT_FALSE(response) << bad.url;
    EXPECT_EQ(response.error().code, ErrorCode::invalid_argument) << bad.url;
  }
}

TEST(HttpClient, RedirectsAreAnswers) {
  RawServer server{[](RawSocket& peer, int) {
    peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  }};
  Client client;
  ClientRequest request{.url = fmt::format("http://127.0.0.1:{}/", server.port())};
  auto const response = client.send(std::move(request));
  ASSERT_TRUE(response) << response.error().text();
  EXPECT_EQ(response->status, 302);
}

TEST(HttpClient, AnAddressOutOfReachIsNeverConnectedTo) {
  std::atomic<int> requests = 0;
  TestServer server{[&](HttpRequest request, HttpReply& reply) {
    ++requests;
    return echo(std::move(request), reply);
  }};
  auto const port = server.url("").substr(server.url("").rfind(':'));
  for (std::string const host : {"127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"}) {
    Client client;
    ClientRequest request{.url = "http://" + host + port + "/", .reach = Reach::public_only};
    auto const refused = client.send(std::move(request));
    ASSERT_FALSE(refused) << host;
    EXPECT_EQ(refused.error().code, ErrorCode::forbidden) << refused.error().text();
  }
  EXPECT_EQ(requests, 0);
  Client client;
  ClientRequest inside{.url = server.url("/"), .reach = Reach::no_metadata};
  EXPECT_TRUE(client.send(std::move(inside)));
  ClientRequest metadata{.url = "http://169.254.169.254/latest", .reach = Reach::no_metadata};
  auto const refused = client.send(std::move(metadata));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::forbidden);
}

TEST(HttpClient, DestroyingTheClientCancelsWhatIsUnderWay) {
  RawServer server{[](RawSocket& peer, int) { peer.read_to_end(2000); }};
  Client client;
  ClientRequest request{.url = fmt::format("http://127.0.0.1:{}/", server.port())};
  auto waiting = boost::asio::co_spawn(client.loop().io, client.http().send(std::move(request)),
                                       boost::asio::use_future);
  std::this_thread::sleep_for(Millis{30});
  client.close();
  auto const response = waiting.get();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace drover::net
