#include "net/blocking_http.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "net/sse.h"
#include "net/test_socket.h"

namespace drover::net {
namespace {

std::string url_of(RawServer const& server) {
  return fmt::format("http://127.0.0.1:{}/", server.port());
}

TEST(BlockingHttp, StreamsEventsAsTheyCome) {
  RawServer server{[](RawSocket& peer, int) {
    peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    for (int i = 1; i <= 3; ++i) {
      peer.send(format_sse(std::to_string(i), "tick", "x"));
      std::this_thread::sleep_for(Millis{20});
    }
  }};
  BlockingHttp http;
  SseParser parser;
  int events = 0;
  int calls = 0;
  auto const response = http.stream({.url = url_of(server)}, [&](std::string_view bytes) {
    ++calls;
    events += static_cast<int>(parser.feed(bytes)->size());
    return StreamStep::more;
  });
  ASSERT_TRUE(response) << response.error().text();
  EXPECT_EQ(events, 3);
  EXPECT_GE(calls, 2) << "not all at the end";
  EXPECT_EQ(response->body, "");
}

TEST(BlockingHttp, AnErrorStatusIsReturnedWholeNotStreamed) {
  RawServer server{[](RawSocket& peer, int) {
    peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
  }};
  BlockingHttp http;
  bool streamed = false;
  auto const response = http.stream({.url = url_of(server)}, [&](std::string_view) {
    streamed = true;
    return StreamStep::more;
  });
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body, "none");
  EXPECT_FALSE(streamed);
}

TEST(BlockingHttp, AbortReturnsWithinATenthOfASecondInEveryPhase) {
  RawServer server{[](RawSocket& peer, int connection) {
    peer.read_until("\r\n\r\n");
    if (connection > 0) peer.send("HTTP/1.1 200 OK\r\n\r\nfirst");
    peer.read_to_end(3000);
  }};
  for (int phase = 0; phase < 2; ++phase) {
    std::atomic<bool> abort = false;
    std::atomic<std::chrono::steady_clock::time_point> asked{};
    std::thread thread{[&] {
      std::this_thread::sleep_for(Millis{60});
      asked = std::chrono::steady_clock::now();
      abort = true;
    }};
    BlockingHttp http{&abort};
    auto const response =
        http.stream({.url = url_of(server)}, [](std::string_view) { return StreamStep::more; });
    auto const took = std::chrono::steady_clock::now() - asked.load();
    thread.join();
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, ErrorCode::cancelled);
    EXPECT_LT(took, Millis{100});
  }
}

TEST(BlockingHttp, TimeoutsAndCutsAreErrors) {
  RawServer server{[](RawSocket& peer, int connection) {
    peer.read_until("\r\n\r\n");
    if (connection == 1) peer.send("HTTP/1.1 200 OK\r\n\r\nfirst");
    if (connection == 2) {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst");
      return;
    }
    peer.read_to_end(2000);
  }};
  BlockingHttp http;
  ClientRequest request{.url = url_of(server)};
  request.timeouts.head = Millis{60};
  request.timeouts.idle = Millis{60};
  EXPECT_EQ(http.request(request).error().code, ErrorCode::timeout);
  EXPECT_EQ(http.request(request).error().code, ErrorCode::timeout);
  EXPECT_EQ(http.request(request).error().code, ErrorCode::upstream);
  request.url = "http://127.0.0.1:1/";
  EXPECT_EQ(http.request(request).error().code, ErrorCode::unavailable);
}

TEST(BlockingHttp, BoundsTheBody) {
  RawServer server{[](RawSocket& peer, int) {
    peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 200 OK\r\n\r\n" + std::string(2000, 'x'));
  }};
  BlockingHttp http;
  ClientRequest request{.url = url_of(server)};
  request.body_bytes_max = 1999;
  EXPECT_EQ(http.request(request).error().code, ErrorCode::too_large);
  request.body_bytes_max = 2000;
  EXPECT_EQ(http.request(request)->body.size(), 2000U);
}

}  // namespace
}  // namespace drover::net
