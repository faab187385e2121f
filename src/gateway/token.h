#pragma once
// Unit tokens (identity.v1): three base64url parts, signed with Ed25519 (RFC 8032) over the first
// two, header {"alg":"EdDSA","kid":…,"typ":"vxd"}. A token names the unit it was made for and is
// good for minutes, or for as long as whoever checks it knows that its unit lives; it is checked on
// every request of a unit.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/time.h"

namespace drover::gateway {

struct TokenGrant {
  std::string workspace;
  std::string mode;
};

struct TokenClaims {
  std::string subject;   // sub: on whose behalf
  std::string launcher;  // lch: user:…, schedule:…, integration:…
  std::string audience;  // aud
  std::string unit;
  std::string session;
  std::string run;         // that the unit was started for; it may serve later ones of the session
  std::int64_t epoch = 0;  // of that run's attempt
  std::optional<std::int64_t>
      budget_microdollars;             // budget, in US dollars: what that run may spend
  std::vector<TokenGrant> workspaces;  // ws
  std::vector<std::string> tools;
  std::string token_id;  // jti
  WallTime issued_at;    // iat, seconds
  WallTime not_before;   // nbf, seconds
  WallTime expires_at;   // exp, seconds
};

// Why a token was refused; the wire names of identity.v1.
enum class TokenFault : std::uint8_t { malformed, bad_signature, expired, revoked, wrong_audience };
[[nodiscard]] std::string_view to_string(TokenFault fault);

// Whether a token's end counts. `renewed`: its unit lives, and so does the token.
enum class TokenLife : std::uint8_t { checked, renewed };

// A ring of Ed25519 key pairs, each in a file of mode 0600: the newest signs and is at the path
// itself, those before it still verify and are at `<path>.<kid>`. Not thread-safe; used on the
// event loop.
class TokenKey {
 public:
  static constexpr std::size_t kOldKeysMax = 8;

  // Reads the keys, or makes one where there is no file. A file of another length or an all-zero
  // key is refused.
  [[nodiscard]] static Result<TokenKey> load_or_create(std::string const& path, Random& random);
  TokenKey(TokenKey&&) noexcept;
  TokenKey& operator=(TokenKey&&) noexcept;
  ~TokenKey();

  [[nodiscard]] std::string const& key_id() const { return key_id_; }

  // Off unless somebody asks for it: tokens of others' programs that are signed with HMAC-SHA-256
  // and a secret of at least kSharedKeyBytesMin bytes that they share with us. Such a token is
  // never renewed, and lives for a day at the most. invalid_argument for a secret that is too short
  // or one byte again and again.
  static constexpr std::size_t kSharedKeyBytesMin = 32;
  [[nodiscard]] Status accept_shared_key(Secret key);

  // A new key, in three steps, so that the event loop waits for no disk: make it; write it, and the
  // present one as an old one; let it sign. The oldest go beyond kOldKeysMax.
  struct Next {
    Secret seed;
    Secret present_seed;
    std::string present_id;
    std::vector<std::string> dropped;  // ids of old keys that go
  };
  [[nodiscard]] Next make_next(Random& random) const;
  [[nodiscard]] static Status write_next(std::string const& path, Next const& next);
  [[nodiscard]] Status adopt(Next const& next);

  [[nodiscard]] Secret sign(TokenClaims const& claims) const;
  // Allows `kClockSkew` either way. The signature is checked before a claim is believed.
  [[nodiscard]] std::expected<TokenClaims, TokenFault> verify(
      std::string_view token, std::string_view audience, WallTime now,
      TokenLife life = TokenLife::checked) const;

 private:
  struct Pair;
  TokenKey();
  [[nodiscard]] Pair const* find(std::string_view key_id) const;
  [[nodiscard]] bool is_ours(std::string_view key_id, std::string_view signed_part,
                             std::string_view signature) const;
  [[nodiscard]] bool is_shared(std::string_view signed_part, std::string_view signature) const;
  std::vector<std::unique_ptr<Pair>> pairs_;  // the newest first
  std::string key_id_;                        // of the newest
  Secret shared_key_;                         // empty: HS256 is not taken
};

inline constexpr std::chrono::seconds kClockSkew{30};
inline constexpr std::string_view kUnitAudience = "drover-unit-api";

}  // namespace drover::gateway
