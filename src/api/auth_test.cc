#include "api/auth.h"

#include <gtest/gtest.h>

#include "api/dashboard_access.h"

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

TEST_F(Auth, BehindAProxyItsAddressPassesAndNoOther) {
  policy_.public_origin = "https://drover.example.org";
  policy_.hosts.emplace_back("drover.example.org");
  auto const from = [&](std::string const& origin) {
    net::Headers headers{{"Host", "drover.example.org"}, {"Origin", origin}};
    return check_browser_rules(policy_, request("POST", std::move(headers))).has_value();
  };
  EXPECT_TRUE(from("https://drover.example.org"));
  EXPECT_TRUE(from("http://127.0.0.1:7717"));
  EXPECT_FALSE(from("https://drover.example.org.evil.example"));
  EXPECT_FALSE(from("https://evil.example"));
  EXPECT_FALSE(from("https://127.0.0.1:7717"));
}

// A browser that signed in: the cookie goes with each request, whoever's page makes it.
class Session : public Auth {
 protected:
  std::string cookie(WallTime expires) const {
    SessionSeal const seal{policy_.token};
    return seal.cookie_name() + "=" + seal.seal({"user:ann b.", expires});
  }
  Result<Caller> caller(std::string method, std::string const& value, net::Headers more = {}) {
    more.add("Cookie", "theme=dark; " + value);
    return check_caller(policy_, request(std::move(method), std::move(more)), now_);
  }
  ErrorCode refusal(std::string method, std::string const& value, net::Headers more = {}) {
    auto const found = caller(std::move(method), value, std::move(more));
    EXPECT_FALSE(found);
    return found ? ErrorCode::internal : found.error().code;
  }
  WallTime const now_{std::chrono::seconds{1'767'225'600}};
  WallTime const later_ = now_ + std::chrono::hours{1};
  net::Headers const own_page_{{"Origin", "http://127.0.0.1:7717"}};
};

TEST_F(Session, ItsCookieOpensAndNamesTheActor) {
  auto const found = caller("GET", cookie(later_));
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_EQ(found->session_actor, "user:ann b.");
  EXPECT_TRUE(caller("PUT", cookie(later_), own_page_));
  EXPECT_TRUE(caller("GET", cookie(later_), {{"Sec-Fetch-Site", "same-origin"}}));
}

TEST_F(Session, AChangeNeedsTheOriginOfItsPage) {
  for (std::string const& method : {"POST", "PUT", "DELETE", "PATCH"})
    EXPECT_EQ(refusal(method, cookie(later_)), ErrorCode::forbidden) << method;
  for (std::string const& site : {"cross-site", "same-site"})
    EXPECT_EQ(refusal("GET", cookie(later_), {{"Sec-Fetch-Site", site}}), ErrorCode::forbidden);
}

TEST_F(Session, WhatHasEndedOrWasForgedDoesNotHold) {
  EXPECT_EQ(refusal("GET", cookie(now_)), ErrorCode::unauthenticated);
  std::string const good = cookie(later_);
  for (std::size_t i = good.find('=') + 1; i < good.size(); ++i) {
    std::string forged = good;
    forged[i] = forged[i] == 'a' ? 'b' : 'a';
    EXPECT_EQ(refusal("GET", forged), ErrorCode::unauthenticated) << forged;
  }
  std::string const name = SessionSeal{policy_.token}.cookie_name();
  for (std::string const& value : {"", ".", "..", "1", "9999999999.user", "9999999999.user."})
    EXPECT_EQ(refusal("GET", name + "=" + value), ErrorCode::unauthenticated) << value;
}

TEST_F(Session, AnotherTokenEndsIt) {
  std::string const before = cookie(later_);
  policy_.token = Secret{"another-token"};
  EXPECT_FALSE(caller("GET", before));
  SessionSeal const seal{policy_.token};
  EXPECT_FALSE(before.starts_with(seal.cookie_name())) << "two servers of a host, one cookie";
}

// Who sends a token means it: a cookie beside it opens nothing.
TEST_F(Session, ATokenThatIsWrongIsNotMadeGoodByACookie) {
  EXPECT_EQ(refusal("GET", cookie(later_), {{"Authorization", "Bearer wrong"}}),
            ErrorCode::unauthenticated);
  auto const right = caller("DELETE", cookie(later_), {{"Authorization", "Bearer the-token"}});
  ASSERT_TRUE(right) << right.error().text();
  EXPECT_EQ(right->session_actor, "") << "the token came, not the page";
}

class Codes : public ::testing::Test {
 protected:
  SignInCodes codes_;
  SeededRandom random_{7};
  BootTime const now_{std::chrono::hours{1}};
};

TEST_F(Codes, EachSignsInOnce) {
  auto const code = codes_.issue("user:ann", now_, random_);
  auto const other = codes_.issue("user:bob", now_, random_);
  EXPECT_NE(code, other);
  EXPECT_GE(code.size(), 32U);
  EXPECT_EQ(codes_.redeem(code, now_).value_or(""), "user:ann");
  auto const again = codes_.redeem(code, now_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::unauthenticated);
  EXPECT_FALSE(codes_.redeem("", now_));
  EXPECT_FALSE(codes_.redeem(code.substr(1), now_));
  EXPECT_EQ(codes_.redeem(other, now_).value_or(""), "user:bob");
}

TEST_F(Codes, NoneOutlivesItsMinutes) {
  auto const code = codes_.issue("user:ann", now_, random_);
  auto const late = codes_.issue("user:ann", now_, random_);
  EXPECT_TRUE(codes_.redeem(code, now_ + (Nanos{kCodeLife} - Nanos{1})));
  EXPECT_FALSE(codes_.redeem(late, now_ + Nanos{kCodeLife}));
}

TEST_F(Codes, TheOldestGivesWay) {
  auto const first = codes_.issue("user:ann", now_, random_);
  std::string last;
  for (std::size_t i = 0; i < kCodesMax; ++i)
    last = codes_.issue("user:bob", now_ + Nanos{static_cast<std::int64_t>(i) + 1}, random_);
  EXPECT_FALSE(codes_.redeem(first, now_));
  EXPECT_TRUE(codes_.redeem(last, now_));
}

}  // namespace
}  // namespace drover::api
