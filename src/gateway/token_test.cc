#include "gateway/token.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "os/files.h"

namespace drover::gateway {
namespace {

class Token : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = ::testing::TempDir() + "drover-token-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
    auto key = TokenKey::load_or_create(folder_ + "/key", random_);
    ASSERT_TRUE(key) << key.error().text();
    key_ = std::make_unique<TokenKey>(*std::move(key));
    claims_.subject = "dev";
    claims_.launcher = "user:dev";
    claims_.audience = kUnitAudience;
    claims_.unit = "agent-dev-chat-main";
    claims_.session = "ses-1";
    claims_.token_id = "jti-1";
    claims_.run = "run-1";
    claims_.epoch = 3;
    claims_.budget_microdollars = 1'500'000;
    claims_.issued_at = clock_.now();
    claims_.not_before = clock_.now();
    claims_.expires_at = clock_.now() + std::chrono::minutes{15};
  }
  void TearDown() override { EXPECT_TRUE(os::remove_tree(folder_)); }

  TokenFault fault_of(std::string const& token, std::string_view audience = kUnitAudience) {
    auto const verified = key_->verify(token, audience, clock_.now());
    EXPECT_FALSE(verified);
    return verified ? TokenFault::revoked : verified.error();
  }

  std::string folder_;
  SeededRandom random_{1};
  ManualClock clock_;
  std::unique_ptr<TokenKey> key_;
  TokenClaims claims_;
};

TEST_F(Token, RoundTrips) {
  auto const verified = key_->verify(key_->sign(claims_).reveal(), kUnitAudience, clock_.now());
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->unit, claims_.unit);
  EXPECT_EQ(verified->session, claims_.session);
  EXPECT_EQ(verified->run, claims_.run);
  EXPECT_EQ(verified->epoch, 3);
  EXPECT_EQ(verified->budget_microdollars, 1'500'000);
}

TEST_F(Token, EveryEditedCharacterIsRefused) {
  std::string const token = key_->sign(claims_).reveal();
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string edited = token;
    edited[i] = edited[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(key_->verify(edited, kUnitAudience, clock_.now())) << "at " << i;
  }
}

TEST_F(Token, AlgNoneIsRefused) {
  // {"alg":"none","typ":"vxd"}
  std::string const token = key_->sign(claims_).reveal();
  std::string const body = token.substr(token.find('.'));
  EXPECT_EQ(fault_of("eyJhbGciOiJub25lIiwidHlwIjoidnhkIn0" + body), TokenFault::bad_signature);
}

TEST_F(Token, AnotherAudienceAndAnotherKeyAreRefused) {
  std::string const token = key_->sign(claims_).reveal();
  EXPECT_EQ(fault_of(token, "somebody-else"), TokenFault::wrong_audience);
  auto const other = TokenKey::load_or_create(folder_ + "/other", random_);
  ASSERT_TRUE(other);
  EXPECT_EQ(fault_of(other->sign(claims_).reveal()), TokenFault::bad_signature);
}

TEST_F(Token, ExpiresAfterItsSkew) {
  std::string const token = key_->sign(claims_).reveal();
  clock_.advance(std::chrono::minutes{15} + kClockSkew);
  EXPECT_TRUE(key_->verify(token, kUnitAudience, clock_.now()));
  clock_.advance(std::chrono::seconds{1});
  EXPECT_EQ(fault_of(token), TokenFault::expired);
}

TEST_F(Token, LivesOnWithItsUnitAndBeginsAtItsTime) {
  std::string const token = key_->sign(claims_).reveal();
  clock_.advance(std::chrono::hours{24});
  EXPECT_EQ(fault_of(token), TokenFault::expired);
  EXPECT_TRUE(key_->verify(token, kUnitAudience, clock_.now(), TokenLife::renewed));
  claims_.issued_at = clock_.now();
  claims_.not_before = clock_.now() + std::chrono::minutes{5};
  claims_.expires_at = clock_.now() + std::chrono::minutes{20};
  std::string const later = key_->sign(claims_).reveal();
  EXPECT_EQ(fault_of(later), TokenFault::expired);
  EXPECT_FALSE(key_->verify(later, kUnitAudience, clock_.now(), TokenLife::renewed));
  clock_.advance(std::chrono::minutes{5});
  EXPECT_TRUE(key_->verify(later, kUnitAudience, clock_.now()));
}

TEST_F(Token, AKeyRotatesAndWhatItSignedHoldsOn) {
  std::string const path = folder_ + "/key";
  std::string const first = key_->sign(claims_).reveal();
  std::string const first_id = key_->key_id();
  auto const rotate = [&] {
    auto const next = key_->make_next(random_);
    ASSERT_TRUE(TokenKey::write_next(path, next));
    ASSERT_TRUE(key_->adopt(next));
  };
  rotate();
  EXPECT_NE(key_->key_id(), first_id);
  std::string const second = key_->sign(claims_).reveal();
  auto const again = TokenKey::load_or_create(path, random_);
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(again->key_id(), key_->key_id()) << "the newest signs, also after a restart";
  for (TokenKey const* ring : std::initializer_list<TokenKey const*>{key_.get(), &*again}) {
    EXPECT_TRUE(ring->verify(first, kUnitAudience, clock_.now()));
    EXPECT_TRUE(ring->verify(second, kUnitAudience, clock_.now()));
  }
  for (std::size_t i = 0; i <= TokenKey::kOldKeysMax; ++i)
    rotate();
  EXPECT_EQ(fault_of(first), TokenFault::bad_signature) << "the oldest keys go";
  EXPECT_FALSE(os::exists(path + "." + first_id));
}

TEST_F(Token, TheKeyStaysAndIsPrivate) {
  auto const again = TokenKey::load_or_create(folder_ + "/key", random_);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->key_id(), key_->key_id());
  EXPECT_TRUE(again->verify(key_->sign(claims_).reveal(), kUnitAudience, clock_.now()));
  struct stat info{};
  ASSERT_EQ(stat((folder_ + "/key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(Token, AnEmptyOrZeroKeyIsRefused) {
  ASSERT_TRUE(os::write_file_atomic(folder_ + "/empty", ""));
  ASSERT_TRUE(os::write_file_atomic(folder_ + "/zero", std::string(32, '\0')));
  EXPECT_FALSE(TokenKey::load_or_create(folder_ + "/empty", random_));
  EXPECT_FALSE(TokenKey::load_or_create(folder_ + "/zero", random_));
}

}  // namespace
}  // namespace drover::gateway
