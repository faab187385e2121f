#include "api/auth.h"

#include <gtest/gtest.h>

namespace drover::api {
namespace {

class Auth : public ::testing::Test {
 protected:
  static net::HttpRequest request(std::string method, net::Headers headers, std::string body = "") {
    net::HttpRequest request;
    request.method = std::move(method);
    request.path = "/api/v1/runs";
    request.headers = std::move(headers);
    request.body = std::move(body);
    return request;
  }
  AuthPolicy policy_{Secret{"the-token"}, loopback_hosts(7717)};
};

TEST_F(Auth, TheServersOwnNamesPass) {
  for (std::string const& host : loopback_hosts(7717))
    EXPECT_TRUE(check_browser_rules(policy_, request("GET", {{"Host", host}})));
  EXPECT_TRUE(check_browser_rules(
      policy_, request("GET", {{"Host", "LOCALHOST:7717"}, {"Origin", "http://localhost:7717"}})));
}

// Clients leave out the port that http has by itself.
TEST_F(Auth, OnPort80TheBareNamePassesToo) {
  AuthPolicy const policy{Secret{"the-token"}, loopback_hosts(80)};
  for (std::string const& host : {"127.0.0.1", "127.0.0.1:80", "localhost", "[::1]"})
    EXPECT_TRUE(check_browser_rules(policy, request("GET", {{"Host", host}}))) << host;
  EXPECT_FALSE(check_browser_rules(policy, request("GET", {{"Host", "evil.example"}})));
}

TEST_F(Auth, ForeignHostsAndOriginsAreRefused) {
  for (std::string const& host :
       {"evil.example", "evil.example:7717", "127.0.0.1", "127.0.0.1:80", ""})
    EXPECT_FALSE(check_browser_rules(policy_, request("GET", {{"Host", host}}))) << host;
  EXPECT_FALSE(check_browser_rules(policy_, request("GET", {})));
  for (std::string const& origin : {"http://evil.example", "null", "https://127.0.0.1:7717",
                                    "http://127.0.0.1:7717.evil.example"})
    EXPECT_FALSE(check_browser_rules(
        policy_, request("POST", {{"Host", "127.0.0.1:7717"}, {"Origin", origin}})))
        << origin;
}

TEST_F(Auth, ABodyMustBeJson) {
  auto const with_type = [&](net::Headers headers) {
    headers.add("Host", "127.0.0.1:7717");
    return check_browser_rules(policy_, request("POST", std::move(headers), "{}")).has_value();
  };
  EXPECT_TRUE(with_type({{"Content-Type", "application/json; charset=utf-8"}}));
  EXPECT_FALSE(with_type({{"Content-Type", "text/plain"}}));
  EXPECT_FALSE(with_type({{"Content-Type", "application/x-www-form-urlencoded"}}));
  EXPECT_FALSE(with_type({}));
}

TEST_F(Auth, OnlyTheTokenOpens) {
  auto const with = [&](net::Headers headers) {
    return check_token(policy_, request("GET", std::move(headers))).has_value();
  };
  EXPECT_TRUE(with({{"Authorization", "Bearer the-token"}}));
  EXPECT_TRUE(with({{"authorization", "bearer the-token"}}));
  for (std::string const& value : {"Bearer the-toke", "Bearer the-token2", "Bearer ", "Bearer",
                                   "Basic the-token", "the-token"})
    EXPECT_FALSE(with({{"Authorization", value}})) << value;
  EXPECT_FALSE(with({}));
}

}  // namespace
}  // namespace drover::api
