#include "gateway/token.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::gateway {

namespace {

constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kTokenBytesMax = 8192;

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// RFC 4648 §5 without padding.
std::string to_base64url(std::string_view bytes) {
  std::string out;
  unsigned held = 0;
  unsigned bits = 0;
  for (char const c : bytes) {
    held = held << 8 | static_cast<unsigned char>(c);
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      out += kAlphabet[held >> bits & 63];
    }
  }
  if (bits > 0) out += kAlphabet[held << (6 - bits) & 63];
  return out;
}

// Refuses padding, other alphabets, and non-zero spare bits, so that a token has one spelling.
bool from_base64url(std::string_view text, std::string& out) {
  unsigned held = 0;
  unsigned bits = 0;
  for (char const c : text) {
    auto const value = kAlphabet.find(c);
    if (value == std::string_view::npos) return false;
    held = held << 6 | static_cast<unsigned>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(held >> bits & 255);
    }
  }
  return bits < 6 && (held & ((1U << bits) - 1)) == 0;
}

std::int64_t to_seconds(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

json::object print(TokenClaims const& claims) {
  json::array grants;
  for (TokenGrant const& grant : claims.workspaces)
    grants.push_back(json::object{{"id", grant.workspace}, {"mode", grant.mode}});
  json::array tools;
  for (std::string const& tool : claims.tools)
    tools.push_back(json::string{tool});
  return {{"sub", claims.subject},
          {"lch", claims.launcher},
          {"aud", claims.audience},
          {"unit", claims.unit},
          {"session", claims.session},
          {"ws", std::move(grants)},
          {"tools", std::move(tools)},
          {"jti", claims.token_id},
          {"iat", to_seconds(claims.issued_at)},
          {"exp", to_seconds(claims.expires_at)}};
}

Result<TokenClaims> read(json::value const& value) {
  auto object = JsonObject::of(value);
  if (!object) return std::unexpected(object.error());
  TokenClaims claims;
  for (auto const& [key, member] : {std::pair{"sub", &TokenClaims::subject},
                                    {"lch", &TokenClaims::launcher},
                                    {"aud", &TokenClaims::audience},
                                    {"unit", &TokenClaims::unit},
                                    {"session", &TokenClaims::session},
                                    {"jti", &TokenClaims::token_id}}) {
    auto text = object->string(key);
    if (!text) return std::unexpected(text.error());
    claims.*member = *std::move(text);
  }
  auto const issued = object->integer("iat");
  if (!issued) return std::unexpected(issued.error());
  auto const expires = object->integer("exp");
  if (!expires) return std::unexpected(expires.error());
  claims.issued_at = WallTime{std::chrono::seconds{*issued}};
  claims.expires_at = WallTime{std::chrono::seconds{*expires}};
  return claims;
}

}  // namespace

struct TokenKey::Pair {
  explicit Pair(EVP_PKEY* made) : key(made) {}
  ~Pair() { EVP_PKEY_free(key); }
  Pair(Pair const&) = delete;
  Pair& operator=(Pair const&) = delete;
  EVP_PKEY* key;
};

std::string_view to_string(TokenFault fault) {
  switch (fault) {
    case TokenFault::malformed:
      return "malformed";
    case TokenFault::bad_signature:
      return "bad-signature";
    case TokenFault::expired:
      return "expired";
    case TokenFault::revoked:
      return "revoked";
    case TokenFault::wrong_audience:
      return "wrong-audience";
  }
  return "malformed";
}

TokenKey::TokenKey(std::unique_ptr<Pair> pair, std::string key_id)
    : pair_(std::move(pair)), key_id_(std::move(key_id)) {}
TokenKey::TokenKey(TokenKey&&) noexcept = default;
TokenKey& TokenKey::operator=(TokenKey&&) noexcept = default;
TokenKey::~TokenKey() = default;

Result<TokenKey> TokenKey::load_or_create(std::string const& path, Random& random) {
  std::string seed;
  if (os::exists(path)) {
    auto stored = os::read_file(path, kSeedBytes + 1);
    if (!stored) return std::unexpected(stored.error());
    seed = *std::move(stored);
  } else {
    seed.resize(kSeedBytes);
    random.fill(std::as_writable_bytes(std::span{seed}));
    DROVER_TRY(os::write_file_atomic(path, seed, 0600));
  }
  bool const zero = std::ranges::all_of(seed, [](char c) { return c == '\0'; });
  if (seed.size() != kSeedBytes || zero)
    return fail_next(ErrorCode::data_corrupt, path + " does not hold a signing key of 32 bytes",
                     "remove it; the next start makes a new one and running units are ended");
  EVP_PKEY* const key = EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<unsigned char const*>(seed.data()), kSeedBytes);
  if (key == nullptr) return fail(ErrorCode::internal, "OpenSSL refuses the key in {}", path);
  auto pair = std::make_unique<Pair>(key);
  std::array<unsigned char, 32> public_key{};
  std::size_t size = public_key.size();
  DROVER_CHECK(EVP_PKEY_get_raw_public_key(key, public_key.data(), &size) == 1);
  std::string const id =
      sha256_hex({reinterpret_cast<char const*>(public_key.data()), size}).substr(0, 16);
  return TokenKey{std::move(pair), id};
}

Secret TokenKey::sign(TokenClaims const& claims) const {
  json::object const header{{"alg", "EdDSA"}, {"kid", key_id_}, {"typ", "vxd"}};
  std::string token =
      to_base64url(json::serialize(header)) + "." + to_base64url(json::serialize(print(claims)));
  std::string signature(kSignatureBytes, '\0');
  std::size_t size = signature.size();
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  DROVER_CHECK(context != nullptr);
  bool const made =
      EVP_DigestSignInit(context, nullptr, nullptr, nullptr, pair_->key) == 1 &&
      EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<unsigned char const*>(token.data()), token.size()) == 1;
  EVP_MD_CTX_free(context);
  DROVER_CHECK(made && size == kSignatureBytes);
  token += "." + to_base64url(signature);
  return Secret{std::move(token)};
}

std::expected<TokenClaims, TokenFault> TokenKey::verify(std::string_view token,
                                                        std::string_view audience,
                                                        WallTime now) const {
  auto const parts = split(token, '.');
  std::string header;
  std::string body;
  std::string signature;
  if (token.size() > kTokenBytesMax || parts.size() != 3 || !from_base64url(parts[0], header) ||
      !from_base64url(parts[1], body) || !from_base64url(parts[2], signature))
    return std::unexpected(TokenFault::malformed);
  auto const head = parse_json(header, {.bytes_max = 1024, .depth_max = 4});
  if (!head || !head->is_object()) return std::unexpected(TokenFault::malformed);
  // The algorithm is ours to choose, never the token's.
  if (string_or(head->get_object(), "alg", "") != "EdDSA" ||
      string_or(head->get_object(), "typ", "") != "vxd" || signature.size() != kSignatureBytes)
    return std::unexpected(TokenFault::bad_signature);
  std::string_view const signed_part = token.substr(0, parts[0].size() + 1 + parts[1].size());
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  DROVER_CHECK(context != nullptr);
  bool const holds =
      EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, pair_->key) == 1 &&
      EVP_DigestVerify(context, reinterpret_cast<unsigned char const*>(signature.data()),
                       signature.size(), reinterpret_cast<unsigned char const*>(signed_part.data()),
                       signed_part.size()) == 1;
  EVP_MD_CTX_free(context);
  if (!holds) return std::unexpected(TokenFault::bad_signature);
  auto const value = parse_json(body, {.bytes_max = kTokenBytesMax, .depth_max = 8});
  if (!value) return std::unexpected(TokenFault::malformed);
  auto claims = read(*value);
  if (!claims) return std::unexpected(TokenFault::malformed);
  if (claims->audience != audience) return std::unexpected(TokenFault::wrong_audience);
  if (now > claims->expires_at + kClockSkew || now < claims->issued_at - kClockSkew)
    return std::unexpected(TokenFault::expired);
  return *std::move(claims);
}

}  // namespace drover::gateway
