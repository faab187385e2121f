#pragma once
// The one error type of the product. An expected failure is returned as Result<T>; exceptions are
// for broken invariants and for third-party code, which its adapter catches.
#include <fmt/core.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace drover {

// What kind of failure it is. Maps once to an HTTP status and to a process exit code (see below).
enum class ErrorCode : std::uint8_t {
  invalid_argument,  // the caller's input does not fit; says which part and what was expected
  unauthenticated,   // no credential, or one that does not hold
  forbidden,         // a credential that does not reach so far; wrong Host or Origin
  not_found,         // no such thing
  conflict,          // exists already with other content, or is in a state that forbids this
  too_large,         // over a named bound
  rate_limited,      // try again later
  budget_exhausted,  // the call would pass the money or token limit
  unavailable,       // a peer (server, model, engine) does not answer
  timeout,           // a deadline passed
  cancelled,         // somebody asked for it to stop
  unsupported,       // this machine or this build cannot do it; says what is missing
  no_space,          // disk or quota full
  data_corrupt,      // our own data does not hold together
  upstream,          // a peer answered with an error of its own
  internal,          // a defect of drover
};

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  // one sentence: what failed, and on which thing
  std::string next;     // what to do about it; may be empty

  // The sentence with its next step, as shown to people.
  [[nodiscard]] std::string text() const;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

// Lower-case name as on the wire: "not_found".
[[nodiscard]] std::string_view to_string(ErrorCode code);
// The code of such a name; nullopt for another text.
[[nodiscard]] std::optional<ErrorCode> parse_error_code(std::string_view name);
[[nodiscard]] int http_status(ErrorCode code);
// 1 failed, 2 usage, 3 server unreachable, 4 waiting for a human or denied.
[[nodiscard]] int exit_code(ErrorCode code);

template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format,
                                          Args&&... args) {
  return std::unexpected(Error{code, fmt::format(format, std::forward<Args>(args)...), {}});
}

// As fail(), with the next step for whoever reads it.
[[nodiscard]] std::unexpected<Error> fail_next(ErrorCode code, std::string message,
                                               std::string next);

// An error from errno: names the operation and the thing it was done to.
[[nodiscard]] Error system_error(int errno_value, std::string_view operation,
                                 std::string_view subject);
[[nodiscard]] std::unexpected<Error> fail_errno(std::string_view operation,
                                                std::string_view subject);

}  // namespace drover

// Returns the error of `expression` (a Result or Status) from the enclosing plain function.
#define DROVER_TRY(expression)                                \
  do {                                                        \
    if (auto drover_try_ = (expression); !drover_try_)        \
      return std::unexpected(std::move(drover_try_).error()); \
  } while (false)
