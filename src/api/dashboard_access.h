#pragma once
// Who is signed in at the dashboard: one-time codes, which `drover dashboard` asks for, and the
// cookie of a session. A session is no record: the cookie says whose it is and until when, signed
// with a key that is derived from the server's token. So it outlives a restart of the server, and
// ends when the token is changed.
//
// Pure but for the codes, which are held in memory. On the event loop.
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/time.h"
#include "net/http_types.h"

namespace drover::api {

inline constexpr std::chrono::minutes kCodeLife{5};
inline constexpr std::size_t kCodesMax = 64;  // at once; the oldest gives way
inline constexpr std::chrono::hours kSessionLife{7 * 24};

struct DashboardSession {
  std::string actor;  // whose name the audit gets: "user:ann"
  WallTime expires;
};

class SessionSeal {
 public:
  explicit SessionSeal(Secret const& token);

  // Cookies know no ports: two servers of one host have two names.
  [[nodiscard]] std::string const& cookie_name() const { return cookie_name_; }
  [[nodiscard]] std::string seal(DashboardSession const& session) const;
  // unauthenticated in the same words whatever is wrong with it, but for one that has expired.
  [[nodiscard]] Result<DashboardSession> open(std::string_view sealed, WallTime now) const;

 private:
  Secret key_;
  std::string cookie_name_;
};

// The value of the first cookie of that name in the header Cookie; empty where there is none.
[[nodiscard]] std::string_view cookie_value(net::Headers const& headers, std::string_view name);

class SignInCodes {
 public:
  [[nodiscard]] std::string issue(std::string actor, BootTime now, Random& random);
  // Whose it was; it is spent. unauthenticated where it is spent, too old, or none.
  [[nodiscard]] Result<std::string> redeem(std::string_view code, BootTime now);

 private:
  struct Waiting {
    std::string actor;
    BootTime issued;
  };
  // By their digest, so that how long a look-up takes says nothing about a code.
  std::map<std::string, Waiting, std::less<>> waiting_;
};

}  // namespace drover::api
