#include "redis/failure.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace drover::redis {

namespace {

struct Meaning {
  std::string_view kind;
  ErrorCode code;
  std::string_view next;
};

constexpr std::string_view kRights =
    "give its user the rights that docs/redis.md lists, with ACL SETUSER";
constexpr std::array kMeanings{
    Meaning{"WRONGPASS", ErrorCode::unauthenticated, "check user and password in the broker's URL"},
    Meaning{"NOAUTH", ErrorCode::unauthenticated, "put user and password into the broker's URL"},
    Meaning{"NOPERM", ErrorCode::forbidden, kRights},
    Meaning{"OOM", ErrorCode::no_space, "raise maxmemory of Redis; drover goes on by itself then"},
    Meaning{"MISCONF", ErrorCode::no_space,
            "free the disk of Redis; drover goes on by itself then"},
    Meaning{"LOADING", ErrorCode::unavailable, ""},
    Meaning{"BUSY", ErrorCode::unavailable, ""},
    Meaning{"READONLY", ErrorCode::unavailable, "point the broker's URL at the primary"},
    Meaning{"MASTERDOWN", ErrorCode::unavailable, ""},
    Meaning{"NOREPLICAS", ErrorCode::unavailable, ""},
    Meaning{"MOVED", ErrorCode::unsupported, "use a Redis that is not a cluster"},
    Meaning{"CROSSSLOT", ErrorCode::unsupported, "use a Redis that is not a cluster"},
};

}  // namespace

std::string_view error_kind(Reply const& reply) {
  if (!reply.is_error()) return {};
  return std::string_view{reply.text}.substr(0, reply.text.find(' '));
}

Error to_error(Reply const& reply, std::string_view what) {
  std::string const said = printable(reply.text, 300);
  std::string const message = fmt::format("Redis did not {}: {}", what, said);
  auto const kind = error_kind(reply);
  auto const* const meaning = std::ranges::find(kMeanings, kind, &Meaning::kind);
  if (meaning != kMeanings.end()) return {meaning->code, message, std::string{meaning->next}};
  // A script reports its command's right as an error of the script.
  if (reply.text.find("can't run this command") != std::string::npos ||
      reply.text.find("No permissions") != std::string::npos)
    return {ErrorCode::forbidden, message, std::string{kRights}};
  if (reply.text.find("command not allowed when used memory") != std::string::npos)
    return {ErrorCode::no_space, message,
            "raise maxmemory of Redis; drover goes on by itself then"};
  if (reply.text.starts_with("ERR unknown command"))
    return {ErrorCode::unsupported, message, "use Redis 7 or newer"};
  return {ErrorCode::upstream, message, {}};
}

bool needs_a_human(Error const& error) {
  constexpr std::array kCodes{ErrorCode::unauthenticated, ErrorCode::forbidden,
                              ErrorCode::unsupported, ErrorCode::invalid_argument,
                              ErrorCode::upstream};
  return std::ranges::find(kCodes, error.code) != kCodes.end();
}

}  // namespace drover::redis
