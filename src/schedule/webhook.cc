#include "schedule/webhook.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/digest.h"
#include "base/text.h"

namespace drover::schedule {

namespace {

constexpr std::size_t kHexBytes = 64;
constexpr std::size_t kSignaturesMax = 8;
constexpr std::size_t kHeaderBytesMax = 1024;
constexpr std::size_t kIdBytesMax = 200;

std::unexpected<Error> refused() {
  return fail_next(ErrorCode::unauthenticated, "the delivery's signature does not hold",
                   "check the secret, the clock, and that the body is sent as it was signed");
}

bool same(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         ::CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

struct Signed {
  std::string signature;
};

std::optional<Signed> check_github(Secret const& secret, net::Headers const& headers,
                                   std::string_view body) {
  constexpr std::string_view kPrefix = "sha256=";
  auto const* const header = headers.find("x-hub-signature-256");
  if (header == nullptr || headers.count("x-hub-signature-256") != 1) return std::nullopt;
  if (header->size() != kPrefix.size() + kHexBytes || !header->starts_with(kPrefix))
    return std::nullopt;
  std::string const right = hmac_sha256_hex(secret, body);
  if (!same(right, std::string_view{*header}.substr(kPrefix.size()))) return std::nullopt;
  return Signed{right};
}

// "t=1795232067,v1=…,v1=…"; members that it does not know are left alone.
std::optional<Signed> check_drover(Secret const& secret, net::Headers const& headers,
                                   std::string_view body, WallTime now) {
  auto const* const header = headers.find("x-drover-signature");
  if (header == nullptr || headers.count("x-drover-signature") != 1) return std::nullopt;
  if (header->size() > kHeaderBytesMax) return std::nullopt;
  std::string_view time;
  std::vector<std::string_view> signatures;
  for (std::string_view const part : split(*header, ',')) {
    auto const member = trim(part);
    if (member.starts_with("t=") && !time.empty()) return std::nullopt;
    if (member.starts_with("t=")) time = member.substr(2);
    if (member.starts_with("v1=")) signatures.push_back(member.substr(3));
  }
  std::int64_t seconds = 0;
  auto const [end, error] = std::from_chars(time.data(), time.data() + time.size(), seconds);
  if (error != std::errc{} || end != time.data() + time.size() || time.empty()) return std::nullopt;
  auto const now_s = to_unix_ms(now) / 1000;
  auto const window = std::chrono::duration_cast<std::chrono::seconds>(kReplayWindow).count();
  if (seconds < now_s - window || seconds > now_s + window) return std::nullopt;
  if (signatures.size() > kSignaturesMax) return std::nullopt;
  std::string const right = hmac_sha256_hex(secret, fmt::format("{}.{}", time, body));
  bool const holds = std::ranges::any_of(
      signatures, [&](std::string_view signature) { return same(right, signature); });
  return holds ? std::optional{Signed{right}} : std::nullopt;
}

// Of the header that the sender numbers its deliveries with.
std::optional<std::string> delivery_id(net::Headers const& headers, contract::HookScheme scheme) {
  bool const github = scheme == contract::HookScheme::github;
  auto const* const header = headers.find(github ? "x-github-delivery" : "x-drover-delivery");
  if (header == nullptr || header->empty() || header->size() > kIdBytesMax || !is_utf8(*header))
    return std::nullopt;
  return *header;
}

// The header as a part of an event type: what does not fit one becomes "-".
std::string type_part(std::string_view text) {
  constexpr std::size_t kPartBytesMax = 100;
  std::string part{text.substr(0, kPartBytesMax)};
  for (char& c : part) {
    bool const fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
    if (!fits) c = '-';
  }
  return part;
}

}  // namespace

std::string hmac_sha256_hex(Secret const& secret, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  std::string const& key = secret.reveal();
  auto const* const made = ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                  reinterpret_cast<unsigned char const*>(text.data()), text.size(),
                                  digest.data(), &size);
  DROVER_CHECK(made != nullptr && size == kHexBytes / 2);
  return to_hex({reinterpret_cast<char const*>(digest.data()), size});
}

Result<Delivery> read_delivery(contract::Hook const& hook, Secret const& secret,
                               net::Headers const& headers, std::string_view body, WallTime now) {
  if (body.size() > kEventBytesMax)
    return fail(ErrorCode::too_large, "the delivery has {} bytes, over the limit of {}",
                body.size(), kEventBytesMax);
  if (secret.empty()) return refused();
  auto const proof = hook.scheme == contract::HookScheme::github
                         ? check_github(secret, headers, body)
                         : check_drover(secret, headers, body, now);
  if (!proof) return refused();
  auto data = parse_json(body);
  if (!data) return std::unexpected(data.error());
  Delivery delivery;
  delivery.marks.push_back("signature:" + proof->signature);
  delivery.event.type = hook.type;
  if (hook.type_header)
    if (auto const* const suffix = headers.find(*hook.type_header); suffix && !suffix->empty())
      delivery.event.type += "." + type_part(*suffix);
  delivery.event.source = "hook:" + hook.name;
  if (auto id = delivery_id(headers, hook.scheme)) {
    delivery.marks.push_back("id:" + *id);
    delivery.event.id = *std::move(id);
  }
  delivery.event.data = *std::move(data);
  delivery.event.time = now;
  return delivery;
}

}  // namespace drover::schedule
