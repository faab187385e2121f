#include "net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <stdexcept>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "net/blocking_http.h"
#include "net/test_server.h"
#include "net/test_socket.h"

namespace drover::net {
namespace {

namespace asio = boost::asio;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Task<void> echo(HttpRequest request, HttpReply& reply) {
  Headers headers{{"X-Method", request.method}, {"X-Path", request.path}};
  for (auto const& [key, value] : request.query)
    headers.add("X-Query-" + key, value);
  co_await reply.send(200, std::move(headers), std::move(request.body));
}

// What a streaming handler saw; outlives its server.
struct Seen {
  std::atomic<int> started = 0;
  std::atomic<int> gone = 0;
  std::atomic<int> ended = 0;
};

struct CountOnExit {
  explicit CountOnExit(std::atomic<int>& count) : count_(count) {}
  ~CountOnExit() { ++count_; }
  std::atomic<int>& count_;
};

// An SSE handler with nothing to say: it waits until the client goes or the server stops.
Task<void> wait_for_the_end(Seen* seen, HttpReply& reply) {
  CountOnExit const exit{seen->ended};
  auto const executor = co_await asio::this_coro::executor;
  asio::steady_timer quiet{executor, asio::steady_timer::time_point::max()};
  Headers headers{{"Content-Type", "text/event-stream"}};
  co_await reply.begin_stream(200, std::move(headers));
  auto hello = std::make_shared<std::string const>(": hello\n\n");
  co_await reply.write(std::move(hello));
  reply.on_peer_gone([seen, &quiet] {
    ++seen->gone;
    quiet.cancel();
  });
  ++seen->started;
  boost::system::error_code ignored;
  co_await quiet.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

Handler waiting(Seen& seen) {
  return [&seen](HttpRequest const&, HttpReply& reply) { return wait_for_the_end(&seen, reply); };
}

template <class Condition>
bool eventually(Condition condition, Millis wait = Millis{5000}) {
  auto const deadline = std::chrono::steady_clock::now() + wait;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(Millis{1});
  }
  return true;
}

HttpServerOptions quick() {
  HttpServerOptions options;
  options.header_timeout = Millis{80};
  options.body_timeout = Millis{80};
  options.idle_timeout = Millis{80};
  options.write_timeout = Millis{100};
  return options;
}

class QuietLog : public ::testing::Environment {
  void SetUp() override { log::set_level(log::Level::off); }
};
auto* const kQuiet = ::testing::AddGlobalTestEnvironment(new QuietLog);

TEST(HttpServer, AnswersARealClientOverOneConnection) {
  TestServer server{echo};
  BlockingHttp http;
  for (int i = 0; i < 20; ++i) {
    auto const response = http.request({.method = "POST",
                                        .url = server.url("/a%20b?x=1%202"),
                                        .headers = {{"Content-Type", "text/plain"}},
                                        .body = std::to_string(i)});
    ASSERT_TRUE(response) << response.error().text();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, std::to_string(i));
    EXPECT_EQ(*response->headers.find("x-path"), "/a b");
    EXPECT_EQ(*response->headers.find("x-query-x"), "1 2");
    EXPECT_EQ(server.connections(), 1U);
  }
}

TEST(HttpServer, ServesPipelinedRequestsInOrder) {
  TestServer server{echo};
  RawSocket client = RawSocket::to_port(server.port());
  std::string all;
  for (int i = 0; i < 100; ++i)
    all += fmt::format("POST /{} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n{:03}", i, i);
  ASSERT_TRUE(client.send(all));
  client.half_close();
  std::string const answers = client.read_to_end();
  std::size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    at = answers.find(fmt::format("X-Path: /{}\r\nContent-Length: 3\r\n\r\n{:03}", i, i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST(HttpServer, ARequestMayComeByteByByte) {
  TestServer server{echo};
  RawSocket client = RawSocket::to_port(server.port());
  std::string_view const text =
      "POST /slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (char c : text) {
    ASSERT_TRUE(client.send({&c, 1}));
    std::this_thread::sleep_for(Micros{200});
  }
  EXPECT_THAT(client.read_until("abc"), HasSubstr("X-Path: /slow"));
}

TEST(HttpServer, HeadHasTheLengthAndNoBody) {
  TestServer server{[](HttpRequest request, HttpReply& reply) -> Task<void> {
    request.body = "12345";
    return echo(std::move(request), reply);
  }};
  RawSocket client = RawSocket::to_port(server.port());
  ASSERT_TRUE(
      client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\nConnection: "
                  "close\r\n\r\n"));
  client.half_close();
  std::string const answers = client.read_to_end();
  EXPECT_THAT(answers, HasSubstr("Content-Length: 5\r\n\r\nHTTP/1.1 200"));
  EXPECT_TRUE(answers.ends_with("12345"));
}

TEST(HttpServer, Http10ClosesUnlessAskedNotTo) {
  TestServer server{echo};
  RawSocket closing = RawSocket::to_port(server.port());
  ASSERT_TRUE(closing.send("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_THAT(closing.read_to_end(), HasSubstr("Connection: close"));
  RawSocket keeping = RawSocket::to_port(server.port());
  ASSERT_TRUE(keeping.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_THAT(keeping.read_until("\r\n\r\n"), HasSubstr("Connection: keep-alive"));
  ASSERT_TRUE(keeping.send("GET /again HTTP/1.0\r\n\r\n"));
  EXPECT_THAT(keeping.read_to_end(), HasSubstr("/again"));
}

TEST(HttpServer, RefusesWhatIsNotValidOrAmbiguous) {
  TestServer server{echo};
  for (std::string_view bad : {
           "nonsense\r\n\r\n",
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
           "GET / HTTP/2.0\r\nHost: h\r\n\r\n",
           "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET /a%2fb HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET /?a=1&a=2 HTTP/1.1\r\nHost: h\r\n\r\n",
           "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nA: b\x01\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n",
           "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
       }) {
    RawSocket client = RawSocket::to_port(server.port());
    ASSERT_TRUE(client.send(bad));
    client.half_close();
    std::string const answer = client.read_to_end();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request\r\n")) << bad;
    EXPECT_THAT(answer, HasSubstr(R"({"error":{"code":"invalid_argument","message":)")) << bad;
    EXPECT_THAT(answer, HasSubstr("Connection: close")) << bad;
  }
}

TEST(HttpServer, LimitsHaveTheirOwnAnswers) {
  HttpServerOptions options;
  options.header_bytes_max = 1000;
  options.body_bytes_max = 1000;
  TestServer server{echo, options};
  BlockingHttp http;
  auto const headers =
      http.request({.url = server.url("/"), .headers = {{"X-Long", std::string(2000, 'x')}}});
  ASSERT_TRUE(headers) << headers.error().text();
  EXPECT_EQ(headers->status, 431);
  auto const body =
      http.request({.method = "POST", .url = server.url("/"), .body = std::string(3'000'000, 'x')});
  ASSERT_TRUE(body) << body.error().text();
  EXPECT_EQ(body->status, 413);
  EXPECT_THAT(body->body, HasSubstr(R"("code":"too_large")"));
  auto const fits =
      http.request({.method = "POST", .url = server.url("/"), .body = std::string(1000, 'x')});
  EXPECT_EQ(fits->status, 200);
  // Chunks give no length beforehand.
  RawSocket client = RawSocket::to_port(server.port());
  ASSERT_TRUE(
      client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" +
                  std::string(0x400, 'x') + "\r\n0\r\n\r\n"));
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 413"));
}

TEST(HttpServer, ExpectContinueIsAnsweredBeforeTheBody) {
  TestServer server{echo};
  RawSocket client = RawSocket::to_port(server.port());
  ASSERT_TRUE(client.send(
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(client.send("body"));
  EXPECT_THAT(client.read_until("body"), StartsWith("HTTP/1.1 200 OK"));
}

TEST(HttpServer, ExpectContinueWithATooLargeBodyIsRefusedAtOnce) {
  HttpServerOptions options;
  options.body_bytes_max = 10;
  TestServer server{echo, options};
  RawSocket client = RawSocket::to_port(server.port());
  ASSERT_TRUE(client.send(
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n"));
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 413"));
}

TEST(HttpServer, SlowHeadersAndBodiesAreTimedOutAndOthersServed) {
  TestServer server{echo, quick()};
  RawSocket silent = RawSocket::to_port(server.port());
  RawSocket in_head = RawSocket::to_port(server.port());
  RawSocket in_body = RawSocket::to_port(server.port());
  ASSERT_TRUE(in_head.send("GET / HTTP/1.1\r\nHo"));
  ASSERT_TRUE(in_body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"));
  BlockingHttp http;
  EXPECT_EQ(http.request({.url = server.url("/")})->status, 200);
  EXPECT_THAT(in_head.read_to_end(), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(in_body.read_to_end(), StartsWith("HTTP/1.1 408"));
  EXPECT_EQ(silent.read_to_end(), "");
  silent.close();
  in_head.close();
  in_body.close();
  EXPECT_TRUE(eventually([&] { return server.connections() == 0; })) << "idle ones included";
}

TEST(HttpServer, DrippingHeadersDoNotExtendTheirTime) {
  TestServer server{echo, quick()};
  RawSocket client = RawSocket::to_port(server.port());
  auto const started = std::chrono::steady_clock::now();
  client.send("GET / HTTP/1.1\r\n");
  while (client.send("A: b\r\n") && std::chrono::steady_clock::now() - started < Millis{2000}) {
    pollfd entry{client.fd(), POLLIN, 0};
    if (::poll(&entry, 1, 10) > 0) break;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - started, Millis{1000});
  EXPECT_THAT(client.read_until("}}"), StartsWith("HTTP/1.1 408"));
}

TEST(HttpServer, ConnectionsAboveTheLimitGet503) {
  HttpServerOptions options;
  options.connections_max = 3;
  TestServer server{echo, options};
  std::vector<RawSocket> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(RawSocket::to_port(server.port()));
    ASSERT_TRUE(held.back().send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    held.back().read_until("\r\n\r\n");
  }
  RawSocket extra = RawSocket::to_port(server.port());
  ASSERT_TRUE(extra.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  std::string const answer = extra.read_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(answer, HasSubstr("Retry-After"));
  extra.close();
  held.pop_back();
  EXPECT_TRUE(eventually([&] { return server.connections() == 2; }));
  BlockingHttp http;
  EXPECT_EQ(http.request({.url = server.url("/")})->status, 200);
}

Task<void> throw_at(std::string where, HttpReply& reply) {
  if (where == "/before") throw std::runtime_error("boom");
  if (where == "/silent") co_return;
  if (where == "/twice") {
    Headers first;
    co_await reply.send(200, std::move(first), "once");
    Headers second;
    co_await reply.send(200, std::move(second), "twice");
    co_return;
  }
  if (where == "/bad-header") {
    Headers headers{{"A", "b\r\nC: d"}};
    co_await reply.send(200, std::move(headers), "");
    co_return;
  }
  Headers headers;
  co_await reply.begin_stream(200, std::move(headers));
  auto part = std::make_shared<std::string const>("part");
  co_await reply.write(std::move(part));
  if (where == "/unended") co_return;
  throw std::runtime_error("boom");
}

TEST(HttpServer, AFailingHandlerIsA500OrACut) {
  TestServer server{
      [](HttpRequest const& request, HttpReply& reply) { return throw_at(request.path, reply); }};
  BlockingHttp http;
  for (std::string_view path : {"/before", "/silent", "/bad-header"}) {
    auto const response = http.request({.url = server.url(path)});
    ASSERT_TRUE(response) << path << response.error().text();
    EXPECT_EQ(response->status, 500) << path;
    EXPECT_THAT(response->body, HasSubstr(R"("code":"internal")"));
    EXPECT_EQ(response->body.find("boom"), std::string::npos) << "inner text goes to the log only";
  }
  for (std::string_view path : {"/during", "/unended"}) {
    auto const cut = http.request({.url = server.url(path)});
    ASSERT_FALSE(cut) << path << ": a cut answer must not look complete";
    EXPECT_EQ(cut.error().code, ErrorCode::upstream);
  }
  EXPECT_EQ(http.request({.url = server.url("/twice")})->body, "once");
}

Task<void> stream_pieces(int count, HttpReply& reply) {
  Headers headers;
  co_await reply.begin_stream(200, std::move(headers));
  std::vector<SharedBytes> several;
  for (int i = 0; i < count; ++i)
    several.push_back(std::make_shared<std::string const>(fmt::format("{:05},", i)));
  auto const empty = std::make_shared<std::string const>();
  co_await reply.write(empty);
  co_await reply.write(std::move(several));
  co_await reply.end();
}

TEST(HttpServer, AGatheredWriteArrivesWholeAndInOrder) {
  constexpr int kPieces = 5000;  // more than one system call takes
  TestServer server{
      [](HttpRequest const&, HttpReply& reply) { return stream_pieces(kPieces, reply); }};
  std::string expected;
  for (int i = 0; i < kPieces; ++i)
    expected += fmt::format("{:05},", i);
  BlockingHttp http;
  for (int i = 0; i < 3; ++i) {
    auto const response = http.request({.url = server.url("/")});
    ASSERT_TRUE(response) << response.error().text();
    EXPECT_TRUE(response->body == expected);
  }
  EXPECT_EQ(server.connections(), 1U);
  RawSocket old = RawSocket::to_port(server.port());
  ASSERT_TRUE(old.send("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(old.read_to_end().ends_with("\r\n\r\n" + expected)) << "HTTP/1.0 has no chunks";
}

TEST(HttpServer, AWaitingHandlerLearnsThatTheClientIsGone) {
  Seen seen;
  TestFolder folder;
  TestServer tcp{waiting(seen)};
  TestServer unix_server{folder / "s.sock", waiting(seen)};
  {
    RawSocket client = RawSocket::to_port(tcp.port());
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    client.read_until("hello");
    ASSERT_TRUE(eventually([&] { return seen.started == 1; }));
    EXPECT_EQ(seen.gone, 0);
  }
  EXPECT_TRUE(eventually([&] { return seen.ended == 1; }));
  BlockingHttp http;
  ClientRequest request{.url = "http://localhost/"};
  request.unix_socket = folder / "s.sock";
  auto const stopped = http.stream(request, [](std::string_view) { return StreamStep::stop; });
  ASSERT_TRUE(stopped) << stopped.error().text();
  EXPECT_TRUE(eventually([&] { return seen.ended == 2; }));
  EXPECT_EQ(seen.gone, 2);
}

TEST(HttpServer, APipelinedRequestIsNotTakenForAGoneClient) {
  Seen seen;
  TestServer server{waiting(seen)};
  RawSocket client = RawSocket::to_port(server.port());
  ASSERT_TRUE(
      client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n"));
  client.read_until("hello");
  ASSERT_TRUE(client.send("GET /third HTTP/1.1\r\nHost: h\r\n\r\n"));
  std::this_thread::sleep_for(Millis{50});
  EXPECT_EQ(seen.gone, 0);
  client.close();
  EXPECT_TRUE(eventually([&] { return seen.gone == 1; })) << "also behind pipelined bytes";
}

TEST(HttpServer, AClientThatReadsNothingIsDropped) {
  std::atomic<int> failed = 0;
  TestServer server{[&failed](HttpRequest const&, HttpReply& reply) {
                      struct Writer {
                        static Task<void> flood(std::atomic<int>* count, HttpReply& out) {
                          Headers headers;
                          co_await out.begin_stream(200, std::move(headers));
                          auto const block = std::make_shared<std::string const>(100'000, 'x');
                          while (true) {
                            auto const written = co_await out.write(block);
                            if (written) continue;
                            if (written.error().code == ErrorCode::timeout) ++*count;
                            co_return;
                          }
                        }
                      };
                      return Writer::flood(&failed, reply);
                    },
                    quick()};
  RawSocket client = RawSocket::to_port(server.port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_TRUE(eventually([&] { return failed == 1; }));
  EXPECT_TRUE(eventually([&] { return server.connections() == 0; }));
}

TEST(HttpServer, StopEndsAHundredOpenStreams) {
  Seen seen;
  auto server = std::make_unique<TestServer>(waiting(seen));
  std::vector<RawSocket> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(RawSocket::to_port(server->port()));
    ASSERT_TRUE(clients.back().send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  }
  ASSERT_TRUE(eventually([&] { return seen.started == 100; }));
  auto const before = std::chrono::steady_clock::now();
  server->stop();
  EXPECT_EQ(seen.ended, 100) << "every handler has ended when stop() returns";
  EXPECT_LT(std::chrono::steady_clock::now() - before, Millis{1000});
  for (RawSocket& client : clients)
    client.read_to_end();
}

TEST(HttpServer, TheDestructorAloneEndsOpenStreams) {
  Seen seen;
  asio::io_context io;
  auto server = HttpServer::listen_tcp(io, "127.0.0.1", 0, {}, waiting(seen));
  ASSERT_TRUE(server) << server.error().text();
  RawSocket client = RawSocket::to_port((*server)->port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  while (seen.started == 0)
    io.run_one_for(Millis{10});
  server->reset();
  EXPECT_EQ(seen.ended, 1);
  // Nothing is left that would keep the loop alive.
  io.restart();
  io.run();
}

TEST(HttpServer, ManyConnectionsAtOnce) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  std::size_t const count = std::min<std::size_t>(400, (limit.rlim_cur - 100) / 2);
  TestServer server{echo};
  std::vector<RawSocket> clients;
  for (std::size_t i = 0; i < count; ++i)
    clients.push_back(RawSocket::to_port(server.port()));
  for (int round = 0; round < 3; ++round) {
    for (RawSocket& client : clients)
      ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok"));
    for (RawSocket& client : clients)
      ASSERT_THAT(client.read_until("\r\n\r\nok"), HasSubstr("200 OK"));
  }
  EXPECT_EQ(server.connections(), count);
}

TEST(HttpServer, AnAddressInUseIsAConflictThatNamesThePort) {
  TestServer server{echo};
  asio::io_context io;
  auto const second = HttpServer::listen_tcp(io, "127.0.0.1", server.port(), {}, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(server.port())));
  EXPECT_FALSE(second.error().next.empty());
  auto const nowhere = HttpServer::listen_tcp(io, "example.org", 0, {}, echo);
  EXPECT_EQ(nowhere.error().code, ErrorCode::invalid_argument);
  auto const foreign = HttpServer::listen_tcp(io, "192.0.2.1", 0, {}, echo);
  EXPECT_EQ(foreign.error().code, ErrorCode::invalid_argument);
}

TEST(HttpServer, UnixSocketsHaveTheirModeAndAreTakenOverOnlyWhenStale) {
  TestFolder folder;
  std::string const path = folder / "s.sock";
  asio::io_context io;
  // What a server that died leaves behind.
  {
    auto listener = UnixListener::open(path, 0600);
    ASSERT_TRUE(listener);
    ASSERT_EQ(::rename(path.c_str(), (path + ".old").c_str()), 0);
  }
  ASSERT_EQ(::rename((path + ".old").c_str(), path.c_str()), 0);
  {
    TestServer server{path, [](HttpRequest request, HttpReply& reply) {
                        request.body = fmt::format("{}", request.credentials->pid == ::getpid());
                        return echo(std::move(request), reply);
                      }};
    struct stat info{};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    auto const second = HttpServer::listen_unix(io, path, 0600, {}, echo);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::conflict);
    BlockingHttp http;
    ClientRequest request{.url = "http://localhost/"};
    request.unix_socket = path;
    EXPECT_EQ(http.request(request)->body, "true") << "the kernel names the peer";
  }
  EXPECT_FALSE(os::exists(path)) << "the file goes with the server";
  ASSERT_TRUE(os::write_file_atomic(path, "mine"));
  EXPECT_EQ(HttpServer::listen_unix(io, path, 0600, {}, echo).error().code, ErrorCode::conflict);
  EXPECT_EQ(os::read_file(path).value(), "mine");
}

}  // namespace
}  // namespace drover::net
