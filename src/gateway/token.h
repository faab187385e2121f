#pragma once
// Unit tokens (identity.v1): three base64url parts, signed with Ed25519 (RFC 8032) over the first
// two, header {"alg":"EdDSA","kid":…,"typ":"vxd"}. A token names the unit it was made for and is
// good for minutes; the server checks it on every request that arrives over a unit socket.
#include <memory>
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
  std::vector<TokenGrant> workspaces;  // ws
  std::vector<std::string> tools;
  std::string token_id;  // jti
  WallTime issued_at;    // iat, seconds
  WallTime expires_at;   // exp, seconds
};

// Why a token was refused; the wire names of identity.v1.
enum class TokenFault : std::uint8_t { malformed, bad_signature, expired, revoked, wrong_audience };
[[nodiscard]] std::string_view to_string(TokenFault fault);

// An Ed25519 key pair kept in one file of mode 0600. Not thread-safe; used on the event loop.
class TokenKey {
 public:
  // Reads the key, or makes one where there is no file. A file of another length or an all-zero key
  // is refused.
  [[nodiscard]] static Result<TokenKey> load_or_create(std::string const& path, Random& random);
  TokenKey(TokenKey&&) noexcept;
  TokenKey& operator=(TokenKey&&) noexcept;
  ~TokenKey();

  [[nodiscard]] std::string const& key_id() const { return key_id_; }
  [[nodiscard]] Secret sign(TokenClaims const& claims) const;
  // Allows `kClockSkew` either way. The signature is checked before a claim is believed.
  [[nodiscard]] std::expected<TokenClaims, TokenFault> verify(std::string_view token,
                                                              std::string_view audience,
                                                              WallTime now) const;

 private:
  struct Pair;
  explicit TokenKey(std::unique_ptr<Pair> pair, std::string key_id);
  std::unique_ptr<Pair> pair_;
  std::string key_id_;
};

inline constexpr std::chrono::seconds kClockSkew{30};
inline constexpr std::string_view kUnitAudience = "drover-unit-api";

}  // namespace drover::gateway
