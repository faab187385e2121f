#include "gateway/token.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <system_error>
#include <utility>

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
constexpr std::size_t kKeyIdSize = 16;
constexpr std::chrono::hours kSharedLifeMax{24};

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

Secret new_seed(Random& random) {
  std::string seed(kSeedBytes, '\0');
  random.fill(std::as_writable_bytes(std::span{seed}));
  return Secret{std::move(seed)};
}

// `<path>.<kid>`, the newest first.
std::vector<std::string> old_key_files(std::string const& path) {
  namespace fs = std::filesystem;
  fs::path const whole{path};
  std::string const prefix = whole.filename().string() + ".";
  std::vector<std::pair<fs::file_time_type, std::string>> found;
  std::error_code error;
  for (fs::directory_iterator entry{whole.parent_path(), error}, end; !error && entry != end;
       entry.increment(error)) {
    std::string const name = entry->path().filename().string();
    if (!name.starts_with(prefix) || name.size() != prefix.size() + kKeyIdSize) continue;
    found.emplace_back(entry->last_write_time(error), entry->path().string());
  }
  std::ranges::sort(found, std::greater{});
  std::vector<std::string> paths;
  for (auto& [time, file] : found)
    paths.push_back(std::move(file));
  return paths;
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
  json::object out{{"sub", claims.subject},
                   {"lch", claims.launcher},
                   {"aud", claims.audience},
                   {"unit", claims.unit},
                   {"session", claims.session},
                   {"ws", std::move(grants)},
                   {"tools", std::move(tools)},
                   {"run", claims.run},
                   {"epoch", claims.epoch},
                   {"jti", claims.token_id},
                   {"iat", to_seconds(claims.issued_at)},
                   {"nbf", to_seconds(claims.not_before)},
                   {"exp", to_seconds(claims.expires_at)}};
  if (claims.budget_microdollars)
    out["budget"] = static_cast<double>(*claims.budget_microdollars) / 1e6;
  return out;
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
  // Tokens of before these claims are still about.
  claims.not_before = WallTime{std::chrono::seconds{integer_or(object->raw(), "nbf", *issued)}};
  claims.run = string_or(object->raw(), "run", "");
  claims.epoch = integer_or(object->raw(), "epoch", 0);
  auto const budget = object->optional_number("budget");
  if (!budget) return std::unexpected(budget.error());
  if (*budget && **budget >= 0.0 && **budget <= 1e9)
    claims.budget_microdollars = std::llround(**budget * 1e6);
  return claims;
}

}  // namespace

struct TokenKey::Pair {
  Pair(EVP_PKEY* made, std::string key_id) : key(made), id(std::move(key_id)) {}
  ~Pair() { EVP_PKEY_free(key); }
  Pair(Pair const&) = delete;
  Pair& operator=(Pair const&) = delete;
  EVP_PKEY* key;
  std::string id;

  static Result<std::unique_ptr<Pair>> of(std::string const& seed, std::string const& path);
  [[nodiscard]] Secret seed() const;
};

Result<std::unique_ptr<TokenKey::Pair>> TokenKey::Pair::of(std::string const& seed,
                                                           std::string const& path) {
  bool const zero = std::ranges::all_of(seed, [](char c) { return c == '\0'; });
  if (seed.size() != kSeedBytes || zero)
    return fail_next(ErrorCode::data_corrupt, path + " does not hold a signing key of 32 bytes",
                     "remove it; the next start makes a new one and running units are ended");
  EVP_PKEY* const key = EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<unsigned char const*>(seed.data()), kSeedBytes);
  if (key == nullptr) return fail(ErrorCode::internal, "OpenSSL refuses the key in {}", path);
  auto pair = std::make_unique<Pair>(key, std::string{});
  std::array<unsigned char, 32> public_key{};
  std::size_t size = public_key.size();
  DROVER_CHECK(EVP_PKEY_get_raw_public_key(key, public_key.data(), &size) == 1);
  pair->id =
      sha256_hex({reinterpret_cast<char const*>(public_key.data()), size}).substr(0, kKeyIdSize);
  return pair;
}

Secret TokenKey::Pair::seed() const {
  std::string bytes(kSeedBytes, '\0');
  std::size_t size = bytes.size();
  DROVER_CHECK(EVP_PKEY_get_raw_private_key(key, reinterpret_cast<unsigned char*>(bytes.data()),
                                            &size) == 1);
  return Secret{std::move(bytes)};
}

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

TokenKey::TokenKey() = default;
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
    seed = new_seed(random).reveal();
    DROVER_TRY(os::write_file_atomic(path, seed, 0600));
  }
  TokenKey ring;
  auto newest = Pair::of(seed, path);
  if (!newest) return std::unexpected(newest.error());
  ring.key_id_ = (*newest)->id;
  ring.pairs_.push_back(*std::move(newest));
  for (std::string const& old_path : old_key_files(path)) {
    auto stored = os::read_file(old_path, kSeedBytes + 1);
    if (!stored) return std::unexpected(stored.error());
    auto old = Pair::of(*stored, old_path);
    if (!old) return std::unexpected(old.error());
    if (ring.find((*old)->id) == nullptr) ring.pairs_.push_back(*std::move(old));
  }
  return ring;
}

TokenKey::Pair const* TokenKey::find(std::string_view key_id) const {
  auto const found =
      std::ranges::find_if(pairs_, [&](auto const& pair) { return pair->id == key_id; });
  return found == pairs_.end() ? nullptr : found->get();
}

TokenKey::Next TokenKey::make_next(Random& random) const {
  Next next;
  next.seed = new_seed(random);
  next.present_seed = pairs_.front()->seed();
  next.present_id = key_id_;
  for (std::size_t i = kOldKeysMax; i < pairs_.size(); ++i)
    next.dropped.push_back(pairs_[i]->id);
  return next;
}

Status TokenKey::write_next(std::string const& path, Next const& next) {
  DROVER_TRY(os::write_file_atomic(path + "." + next.present_id, next.present_seed.reveal(), 0600));
  DROVER_TRY(os::write_file_atomic(path, next.seed.reveal(), 0600));
  for (std::string const& id : next.dropped) {
    std::error_code ignored;
    std::filesystem::remove(path + "." + id, ignored);  // it only verifies what has long expired
  }
  return {};
}

Status TokenKey::adopt(Next const& next) {
  auto pair = Pair::of(next.seed.reveal(), "the new key");
  if (!pair) return std::unexpected(pair.error());
  key_id_ = (*pair)->id;
  pairs_.insert(pairs_.begin(), *std::move(pair));
  std::erase_if(pairs_, [&](auto const& old) {
    return std::ranges::find(next.dropped, old->id) != next.dropped.end();
  });
  return {};
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
      EVP_DigestSignInit(context, nullptr, nullptr, nullptr, pairs_.front()->key) == 1 &&
      EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<unsigned char const*>(token.data()), token.size()) == 1;
  EVP_MD_CTX_free(context);
  DROVER_CHECK(made && size == kSignatureBytes);
  token += "." + to_base64url(signature);
  return Secret{std::move(token)};
}

Status TokenKey::accept_shared_key(Secret key) {
  std::string const& bytes = key.reveal();
  bool const plain = std::ranges::all_of(bytes, [&](char byte) { return byte == bytes.front(); });
  if (bytes.size() < kSharedKeyBytesMin || plain)
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("a shared signing key has at least {} bytes, not all the same",
                                 kSharedKeyBytesMin),
                     "make one: openssl rand -hex 32");
  shared_key_ = std::move(key);
  return {};
}

bool TokenKey::is_ours(std::string_view key_id, std::string_view signed_part,
                       std::string_view signature) const {
  Pair const* const pair = find(key_id);
  if (pair == nullptr || signature.size() != kSignatureBytes) return false;
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  DROVER_CHECK(context != nullptr);
  bool const holds =
      EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, pair->key) == 1 &&
      EVP_DigestVerify(context, reinterpret_cast<unsigned char const*>(signature.data()),
                       signature.size(), reinterpret_cast<unsigned char const*>(signed_part.data()),
                       signed_part.size()) == 1;
  EVP_MD_CTX_free(context);
  return holds;
}

bool TokenKey::is_shared(std::string_view signed_part, std::string_view signature) const {
  if (shared_key_.empty()) return false;
  std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
  unsigned int size = 0;
  std::string const& key = shared_key_.reveal();
  DROVER_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                    reinterpret_cast<unsigned char const*>(signed_part.data()), signed_part.size(),
                    code.data(), &size) != nullptr);
  return signature.size() == size && CRYPTO_memcmp(code.data(), signature.data(), size) == 0;
}

std::expected<TokenClaims, TokenFault> TokenKey::verify(std::string_view token,
                                                        std::string_view audience, WallTime now,
                                                        TokenLife life) const {
  auto const parts = split(token, '.');
  std::string header;
  std::string body;
  std::string signature;
  if (token.size() > kTokenBytesMax || parts.size() != 3 || !from_base64url(parts[0], header) ||
      !from_base64url(parts[1], body) || !from_base64url(parts[2], signature))
    return std::unexpected(TokenFault::malformed);
  auto const head = parse_json(header, {.bytes_max = 1024, .depth_max = 4});
  if (!head || !head->is_object()) return std::unexpected(TokenFault::malformed);
  if (string_or(head->get_object(), "typ", "") != "vxd")
    return std::unexpected(TokenFault::bad_signature);
  // Each algorithm has keys of its own kind, and which are taken is ours to say, never the token's:
  // one that names another is checked against nothing.
  auto const algorithm = string_or(head->get_object(), "alg", "");
  std::string_view const signed_part = token.substr(0, parts[0].size() + 1 + parts[1].size());
  bool const shared = algorithm == "HS256" && life == TokenLife::checked;
  bool const holds =
      shared ? is_shared(signed_part, signature)
             : algorithm == "EdDSA" &&
                   is_ours(string_or(head->get_object(), "kid", ""), signed_part, signature);
  if (!holds) return std::unexpected(TokenFault::bad_signature);
  auto const value = parse_json(body, {.bytes_max = kTokenBytesMax, .depth_max = 8});
  if (!value) return std::unexpected(TokenFault::malformed);
  auto claims = read(*value);
  if (!claims) return std::unexpected(TokenFault::malformed);
  if (claims->audience != audience) return std::unexpected(TokenFault::wrong_audience);
  if (shared && claims->expires_at - claims->issued_at > kSharedLifeMax)
    return std::unexpected(TokenFault::malformed);
  bool const over = life == TokenLife::checked && now > claims->expires_at + kClockSkew;
  if (over || now < claims->issued_at - kClockSkew || now < claims->not_before - kClockSkew)
    return std::unexpected(TokenFault::expired);
  return *std::move(claims);
}

}  // namespace drover::gateway
