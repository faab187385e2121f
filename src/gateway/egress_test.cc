// Real curl through a proxy that is a server of ours, to a server on loopback.
#include "gateway/egress.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "base/guarded.h"
#include "gateway/tunnel.h"
#include "net/test_server.h"

namespace drover::gateway {
namespace {

class EgressTest : public ::testing::Test {
 protected:
  EgressTest()
      : upstream_([](net::HttpRequest request, net::HttpReply& reply) -> Task<void> {
          net::Headers headers;
          co_await reply.send(200, std::move(headers), "hello " + request.path + request.body);
        }),
        proxy_([this](net::HttpRequest request,
                      net::HttpReply& reply) { return connect(std::move(request), reply); },
               options()) {}

  static net::HttpServerOptions options() {
    net::HttpServerOptions options;
    options.connect = net::ConnectMethod::handled;
    return options;
  }

  Task<void> connect(net::HttpRequest request, net::HttpReply& reply) {
    auto const target = parse_egress_target(request.target);
    auto policy = EgressPolicy::parse(*allowed_.lock());
    net::Headers headers;
    if (request.method != "CONNECT" || !target || !policy) {
      co_await reply.send(400, std::move(headers), "");
      co_return;
    }
    auto connected = co_await connect_out(*std::move(policy), *target);
    if (!connected) {
      std::string why = connected.error().text();
      co_await reply.send(http_status(connected.error().code), std::move(headers), std::move(why));
      co_return;
    }
    auto taken = co_await reply.take_connection();
    if (!taken) co_return;
    TunnelEnds ends{std::move(taken->socket), std::move(connected->socket),
                    std::move(taken->received)};
    co_await run_tunnel(std::move(ends), Millis{5'000}, off_);
  }

  // Its output, and the status that the proxy answered CONNECT with.
  std::string curl(std::string const& url, std::string const& more = "") {
    std::string const command = fmt::format(
        "curl -s -m 10 --proxytunnel --noproxy '' -x http://127.0.0.1:{} {} -w ' "
        "%{{http_connect}}' "
        "'{}' 2>&1",
        proxy_.port(), more, url);
    std::string out;
    FILE* const pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return out;
    std::array<char, 4096> buffer{};
    while (std::size_t const size = std::fread(buffer.data(), 1, buffer.size(), pipe))
      out.append(buffer.data(), size);
    ::pclose(pipe);
    return out;
  }
  [[nodiscard]] std::string own() const { return fmt::format("127.0.0.1:{}", upstream_.port()); }

  Guarded<std::vector<std::string>> allowed_;  // read by the proxy's thread
  TunnelSwitchPtr off_ = std::make_shared<TunnelSwitch>();
  net::TestServer upstream_;
  net::TestServer proxy_;
};

TEST_F(EgressTest, AnAddressThatIsNamedIsReached) {
  *allowed_.lock() = {own()};
  EXPECT_EQ(curl("http://" + own() + "/path"), "hello /path 200");
  std::string const large(300'000, 'x');
  std::string const file = ::testing::TempDir() + "drover-egress-body";
  FILE* const out = std::fopen(file.c_str(), "w");
  ASSERT_NE(out, nullptr);
  std::fwrite(large.data(), 1, large.size(), out);
  std::fclose(out);
  auto const echoed = curl("http://" + own() + "/", "--data-binary @" + file);
  std::remove(file.c_str());
  EXPECT_EQ(echoed.size(), std::string_view{"hello / 200"}.size() + large.size());
}

TEST_F(EgressTest, NothingElseIs) {
  EXPECT_EQ(curl("http://" + own() + "/"), " 403") << "nothing is open by itself";
  *allowed_.lock() = {"localhost:" + std::to_string(upstream_.port())};
  EXPECT_EQ(curl("http://localhost:" + std::to_string(upstream_.port()) + "/"), " 403")
      << "a name does not open what is inside";
  *allowed_.lock() = {own(), "localhost:" + std::to_string(upstream_.port())};
  EXPECT_EQ(curl("http://127.0.0.1:1/"), " 403");
  *allowed_.lock() = {"127.0.0.1:1"};
  EXPECT_EQ(curl("http://127.0.0.1:1/"), " 503") << "allowed, and nobody is there";
}

TEST_F(EgressTest, ANameAndTheAddressItLeadsToAreReached) {
  *allowed_.lock() = {"localhost:" + std::to_string(upstream_.port()), own(),
                      "[::1]:" + std::to_string(upstream_.port())};
  EXPECT_EQ(curl("http://localhost:" + std::to_string(upstream_.port()) + "/x"), "hello /x 200");
}

}  // namespace
}  // namespace drover::gateway
