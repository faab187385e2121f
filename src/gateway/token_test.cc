#include "gateway/token.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "os/files.h"

namespace drover::gateway {
namespace {

std::string base64url(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  int const size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<unsigned char const*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  while (out.ends_with('='))
    out.pop_back();
  std::ranges::replace(out, '+', '-');
  std::ranges::replace(out, '/', '_');
  return out;
}

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

// As another program would sign it, with what openssl is at hand.
std::string hs256(TokenKey const& key, TokenClaims const& claims, std::string const& secret,
                  std::string const& header = R"({"alg":"HS256","typ":"vxd"})") {
  std::string const ours = key.sign(claims).reveal();
  auto const first = ours.find('.');
  std::string const body = ours.substr(first, ours.rfind('.') - first);
  std::string const signed_part = base64url(header) + body;
  std::array<unsigned char, 32> code{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<unsigned char const*>(signed_part.data()), signed_part.size(), code.data(),
       &size);
  return signed_part + "." + base64url({reinterpret_cast<char const*>(code.data()), size});
}

TEST_F(Token, ASharedKeyIsTakenOnlyWhereSomebodyAskedForIt) {
  std::string const secret = "0123456789abcdef0123456789abcdef";
  std::string const token = hs256(*key_, claims_, secret);
  EXPECT_EQ(fault_of(token), TokenFault::bad_signature) << "off by default";
  EXPECT_FALSE(key_->accept_shared_key(Secret{std::string{"short"}}));
  EXPECT_FALSE(key_->accept_shared_key(Secret{std::string(32, 'x')}));
  EXPECT_EQ(fault_of(token), TokenFault::bad_signature) << "a bad key changes nothing";
  ASSERT_TRUE(key_->accept_shared_key(Secret{secret}));
  auto const verified = key_->verify(token, kUnitAudience, clock_.now());
  ASSERT_TRUE(verified) << to_string(verified.error());
  EXPECT_EQ(verified->unit, claims_.unit);
  EXPECT_FALSE(key_->verify(token, kUnitAudience, clock_.now(), TokenLife::renewed))
      << "at a unit's own socket nobody else's token is good";
  EXPECT_EQ(fault_of(token, "somebody-else"), TokenFault::wrong_audience);
  EXPECT_TRUE(key_->verify(key_->sign(claims_).reveal(), kUnitAudience, clock_.now()));
  claims_.expires_at = claims_.issued_at + std::chrono::hours{48};
  EXPECT_EQ(fault_of(hs256(*key_, claims_, secret)), TokenFault::malformed) << "a day at most";
}

// What everybody may know is no secret: the public key, the empty one, a key's id.
TEST_F(Token, NoAlgorithmIsCheckedWithAnothersKey) {
  std::string const secret = "0123456789abcdef0123456789abcdef";
  for (bool const shared : {false, true}) {
    if (shared) {
      ASSERT_TRUE(key_->accept_shared_key(Secret{secret}));
    }
    auto const seed = os::read_file(folder_ + "/key", 64).value();
    EVP_PKEY* const pair = EVP_PKEY_new_raw_private_key(
        EVP_PKEY_ED25519, nullptr, reinterpret_cast<unsigned char const*>(seed.data()), 32);
    std::string public_key(32, '\0');
    std::size_t size = public_key.size();
    EVP_PKEY_get_raw_public_key(pair, reinterpret_cast<unsigned char*>(public_key.data()), &size);
    EVP_PKEY_free(pair);
    for (std::string const& known : {public_key, std::string{}, key_->key_id(), seed})
      EXPECT_EQ(fault_of(hs256(*key_, claims_, known)), TokenFault::bad_signature);
    for (std::string const algorithm : {"none", "EdDSA", "hs256", "HS512", ""})
      EXPECT_EQ(fault_of(hs256(*key_, claims_, secret,
                               R"({"alg":")" + algorithm + R"(","kid":")" + key_->key_id() +
                                   R"(","typ":"vxd"})")),
                TokenFault::bad_signature)
          << algorithm;
    // Ours, under the other's name.
    std::string const ours = key_->sign(claims_).reveal();
    EXPECT_EQ(fault_of(base64url(R"({"alg":"HS256","typ":"vxd"})") + ours.substr(ours.find('.'))),
              TokenFault::bad_signature);
  }
}

TEST_F(Token, AnEmptyOrZeroKeyIsRefused) {
  ASSERT_TRUE(os::write_file_atomic(folder_ + "/empty", ""));
  ASSERT_TRUE(os::write_file_atomic(folder_ + "/zero", std::string(32, '\0')));
  EXPECT_FALSE(TokenKey::load_or_create(folder_ + "/empty", random_));
  EXPECT_FALSE(TokenKey::load_or_create(folder_ + "/zero", random_));
}

}  // namespace
}  // namespace drover::gateway
