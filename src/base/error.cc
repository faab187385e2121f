#include "base/error.h"

#include <cerrno>
#include <system_error>

#include "base/text.h"

namespace drover {

std::string Error::text() const {
  if (next.empty()) return message;
  return fmt::format("{}; {}", message, next);
}

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::unauthenticated:
      return "unauthenticated";
    case ErrorCode::forbidden:
      return "forbidden";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::conflict:
      return "conflict";
    case ErrorCode::too_large:
      return "too_large";
    case ErrorCode::rate_limited:
      return "rate_limited";
    case ErrorCode::budget_exhausted:
      return "budget_exhausted";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::no_space:
      return "no_space";
    case ErrorCode::data_corrupt:
      return "data_corrupt";
    case ErrorCode::upstream:
      return "upstream";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

std::optional<ErrorCode> parse_error_code(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i) {
    auto const code = static_cast<ErrorCode>(i);
    if (to_string(code) == name) return code;
  }
  return std::nullopt;
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return 400;
    case ErrorCode::unauthenticated:
      return 401;
    case ErrorCode::forbidden:
      return 403;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::conflict:
      return 409;
    case ErrorCode::too_large:
      return 413;
    case ErrorCode::rate_limited:
      return 429;
    case ErrorCode::budget_exhausted:
      return 402;
    case ErrorCode::unavailable:
      return 503;
    case ErrorCode::timeout:
      return 504;
    case ErrorCode::cancelled:
      return 409;
    case ErrorCode::unsupported:
      return 501;
    case ErrorCode::no_space:
      return 507;
    case ErrorCode::data_corrupt:
      return 500;
    case ErrorCode::upstream:
      return 502;
    case ErrorCode::internal:
      return 500;
  }
  return 500;
}

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::not_found:
    case ErrorCode::too_large:
    case ErrorCode::unsupported:
      return 2;
    case ErrorCode::unavailable:
      return 3;
    default:
      return 1;
  }
}

std::unexpected<Error> fail_next(ErrorCode code, std::string message, std::string next) {
  return std::unexpected(Error{code, std::move(message), std::move(next)});
}

namespace {

constexpr std::size_t kSubjectBytesMax = 4096;  // a path

ErrorCode code_of(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::not_found;
    case EACCES:
    case EPERM:
    case ELOOP:  // a symlink where none may be followed
    case EXDEV:  // a path that leads out of its folder
    case EROFS:
      return ErrorCode::forbidden;
    case EEXIST:
    case EBUSY:
    case ENOTEMPTY:
    case EADDRINUSE:
      return ErrorCode::conflict;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::no_space;
    case ETIMEDOUT:
      return ErrorCode::timeout;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
      return ErrorCode::unavailable;
    case ENOSYS:
    case EOPNOTSUPP:
      return ErrorCode::unsupported;
    case EFBIG:
    case EMSGSIZE:
      return ErrorCode::too_large;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return ErrorCode::unavailable;
    case EISDIR:
    case EINVAL:
    case ENAMETOOLONG:
      return ErrorCode::invalid_argument;
    default:
      return ErrorCode::internal;
  }
}

}  // namespace

Error system_error(int errno_value, std::string_view operation, std::string_view subject) {
  ErrorCode const code = code_of(errno_value);
  return {code,
          fmt::format("cannot {} {}: {}", operation, printable(subject, kSubjectBytesMax),
                      std::system_category().message(errno_value)),
          code == ErrorCode::no_space ? "free space on that disk" : ""};
}

std::unexpected<Error> fail_errno(std::string_view operation, std::string_view subject) {
  return std::unexpected(system_error(errno, operation, subject));
}

}  // namespace drover
