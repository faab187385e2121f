#include "api/dashboard_access.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "base/digest.h"
#include "base/text.h"
#include "schedule/webhook.h"

namespace drover::api {

namespace {

constexpr std::size_t kCodeBytes = 24;
constexpr std::size_t kCookieBytesMax = 1024;
constexpr std::size_t kNameDigits = 12;

std::string mac(Secret const& key, std::string_view text) {
  return schedule::hmac_sha256_hex(key, text);
}

std::int64_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

std::unexpected<Error> no_session() {
  return fail_next(ErrorCode::unauthenticated, "the dashboard's session does not hold",
                   "sign in with: drover dashboard");
}

}  // namespace

SessionSeal::SessionSeal(Secret const& token)
    : key_(mac(token, "drover dashboard session 1")),
      cookie_name_("drover-" + mac(token, "drover dashboard cookie 1").substr(0, kNameDigits)) {}

// "<expires, seconds>.<the actor, percent-encoded>.<the HMAC of what is before>"
std::string SessionSeal::seal(DashboardSession const& session) const {
  std::string const said =
      fmt::format("{}.{}", seconds_of(session.expires), net::percent_encode(session.actor));
  return fmt::format("{}.{}", said, mac(key_, said));
}

Result<DashboardSession> SessionSeal::open(std::string_view sealed, WallTime now) const {
  auto const dot = sealed.rfind('.');
  if (sealed.size() > kCookieBytesMax || dot == std::string_view::npos) return no_session();
  std::string_view const said = sealed.substr(0, dot);
  if (!Secret{mac(key_, said)}.equals(sealed.substr(dot + 1))) return no_session();
  // From here on it is what seal() wrote.
  auto const end = said.find('.');
  std::int64_t expires = 0;
  std::from_chars(said.data(), said.data() + said.size(), expires);
  auto actor = net::percent_decode(said.substr(std::min(end, said.size() - 1) + 1));
  if (end == std::string_view::npos || !actor) return no_session();
  WallTime const until{std::chrono::seconds{expires}};
  if (until <= now)
    return fail_next(ErrorCode::unauthenticated, "the dashboard's session has ended",
                     "sign in with: drover dashboard");
  return DashboardSession{*std::move(actor), until};
}

std::string_view cookie_value(net::Headers const& headers, std::string_view name) {
  auto const* const header = headers.find("cookie");
  if (header == nullptr) return {};
  for (std::string_view const part : split(*header, ';')) {
    std::string_view const pair = trim(part);
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
      return pair.substr(name.size() + 1);
  }
  return {};
}

std::string SignInCodes::issue(std::string actor, BootTime now, Random& random) {
  std::erase_if(waiting_,
                [&](auto const& one) { return now - one.second.issued >= Nanos{kCodeLife}; });
  if (waiting_.size() >= kCodesMax)
    waiting_.erase(std::ranges::min_element(
        waiting_, {}, [](auto const& one) { return one.second.issued.since_boot; }));
  std::string bytes(kCodeBytes, '\0');
  random.fill(std::as_writable_bytes(std::span{bytes}));
  std::string code = to_hex(bytes);
  waiting_.insert_or_assign(sha256_hex(code), Waiting{std::move(actor), now});
  return code;
}

Result<std::string> SignInCodes::redeem(std::string_view code, BootTime now) {
  auto found = waiting_.extract(sha256_hex(code));
  if (found.empty() || now - found.mapped().issued >= Nanos{kCodeLife})
    return fail_next(ErrorCode::unauthenticated,
                     "this link to sign in was used already, or is older than five minutes",
                     "get a new one with: drover dashboard");
  return std::move(found.mapped().actor);
}

}  // namespace drover::api
