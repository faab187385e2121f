#include "unit/proxy_head.h"

#include <gtest/gtest.h>

namespace drover::unit {
namespace {

TEST(ProxyHead, ConnectNamesItsTarget) {
  constexpr std::string_view kHead = "CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n";
  auto const head = read_proxy_head(std::string{kHead} + "bytes");
  ASSERT_TRUE(head && *head);
  EXPECT_EQ((*head)->target, "example.org:443");
  EXPECT_EQ((*head)->forward, "");
  EXPECT_EQ((*head)->size, kHead.size());
  for (std::size_t size = 0; size < kHead.size(); ++size) {
    auto const part = read_proxy_head(kHead.substr(0, size));
    EXPECT_TRUE(part && !*part) << size;
  }
}

TEST(ProxyHead, AnAbsoluteAddressBecomesAPathOfAConnectionOfItsOwn) {
  auto const head = read_proxy_head(
      "GET http://example.org:8080/a?b=c#d HTTP/1.1\r\nHost: example.org:8080\r\n"
      "Proxy-Connection: keep-alive\r\nProxy-Authorization: x\r\nAccept: */*\r\n\r\n");
  ASSERT_TRUE(head && *head);
  EXPECT_EQ((*head)->target, "example.org:8080");
  EXPECT_EQ((*head)->forward,
            "GET /a?b=c HTTP/1.1\r\nHost: example.org:8080\r\nAccept: */*\r\n"
            "Connection: close\r\n\r\n");
  for (auto const& [url, target] : {std::pair{"http://example.org", "example.org:80"},
                                    {"http://[::1]/x", "[::1]:80"},
                                    {"http://[::1]:81/x", "[::1]:81"}}) {
    auto const one = read_proxy_head(std::string{"GET "} + url + " HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(one && *one) << url;
    EXPECT_EQ((*one)->target, target);
  }
}

TEST(ProxyHead, WhatIsNoProxyRequestIsRefused) {
  for (std::string const& head :
       {"GET / HTTP/1.1", "GET https://a/ HTTP/1.1", "GET http:///x HTTP/1.1", "CONNECT a:1",
        "GET http://u:p@a/ HTTP/1.1", "GET http://a/ HTTP/2", "GET  http://a/ HTTP/1.1",
        "GET http://a/\nX HTTP/1.1", ""})
    EXPECT_FALSE(read_proxy_head(head + "\r\n\r\n")) << head;
  EXPECT_FALSE(read_proxy_head(std::string(kProxyHeadBytesMax + 1, 'x')));
}

}  // namespace
}  // namespace drover::unit
