// The cookies and links that browsers bring: no crash, and nothing opens that was not sealed here.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/dashboard_access.h"
#include "base/text.h"

namespace api = drover::api;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string const text{reinterpret_cast<char const*>(data), size};
  static api::SessionSeal const kSeal{drover::Secret{"the token of this server"}};
  drover::WallTime const now{std::chrono::seconds{1'795'232'067}};
  if (kSeal.open(text, now)) std::abort();
  drover::net::Headers const headers{{"Cookie", text}};
  auto const value = api::cookie_value(headers, kSeal.cookie_name());
  if (!value.empty() && !text.contains(kSeal.cookie_name() + "=")) std::abort();
  // Whoever it is, a seal says the same name again, and no second one fits into the cookie.
  std::string const sealed = kSeal.seal({text.substr(0, 200), now + std::chrono::hours{1}});
  if (sealed.find_first_of("; ,\r\n") != std::string::npos) std::abort();
  auto const opened = kSeal.open(sealed, now);
  std::string const name = text.substr(0, 200);
  bool const is_name = drover::is_utf8(name) && !name.contains('\0');
  if (opened.has_value() != is_name || (opened && opened->actor != name)) std::abort();
  api::SignInCodes codes;
  if (codes.redeem(text, drover::BootTime{})) std::abort();
  return 0;
}
