#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

namespace drover {
namespace {

constexpr int kLastCode = static_cast<int>(ErrorCode::internal);

TEST(Error, EveryCodeHasItsOwnNameAndAnErrorStatus) {
  std::set<std::string_view> names;
  for (int i = 0; i <= kLastCode; ++i) {
    auto const code = static_cast<ErrorCode>(i);
    names.insert(to_string(code));
    EXPECT_EQ(parse_error_code(to_string(code)), code);
    EXPECT_GE(http_status(code), 400) << to_string(code);
    EXPECT_LT(http_status(code), 600) << to_string(code);
    EXPECT_GE(exit_code(code), 1) << to_string(code);
    EXPECT_LE(exit_code(code), 4) << to_string(code);
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kLastCode) + 1);
  EXPECT_EQ(parse_error_code("no_such_code"), std::nullopt);
}

TEST(Error, OnlyOurOwnDefectsLookLikeServerFaults) {
  EXPECT_EQ(http_status(ErrorCode::invalid_argument), 400);
  EXPECT_EQ(http_status(ErrorCode::conflict), 409);
  EXPECT_EQ(http_status(ErrorCode::no_space), 507);
  EXPECT_EQ(exit_code(ErrorCode::invalid_argument), 2);
  EXPECT_EQ(exit_code(ErrorCode::unavailable), 3);
  EXPECT_EQ(exit_code(ErrorCode::internal), 1);
}

TEST(Error, TextHasTheNextStepWhereThereIsOne) {
  EXPECT_EQ((Error{ErrorCode::not_found, "no run run-1", ""}).text(), "no run run-1");
  EXPECT_EQ((Error{ErrorCode::not_found, "no run run-1", "list them with drover ps"}).text(),
            "no run run-1; list them with drover ps");
}

TEST(Error, SystemErrorsNameOperationSubjectAndCause) {
  Error const error = system_error(ENOSPC, "write", "/var/x");
  EXPECT_EQ(error.code, ErrorCode::no_space);
  EXPECT_EQ(error.message, "cannot write /var/x: No space left on device");
}

TEST(Error, ErrnoMapsToWhatTheCallerCanDoAboutIt) {
  auto const code = [](int value) { return system_error(value, "open", "x").code; };
  EXPECT_EQ(code(ENOENT), ErrorCode::not_found);
  EXPECT_EQ(code(EACCES), ErrorCode::forbidden);
  EXPECT_EQ(code(ELOOP), ErrorCode::forbidden);
  EXPECT_EQ(code(EXDEV), ErrorCode::forbidden);
  EXPECT_EQ(code(EADDRINUSE), ErrorCode::conflict);
  EXPECT_EQ(code(ENOTEMPTY), ErrorCode::conflict);
  EXPECT_EQ(code(EDQUOT), ErrorCode::no_space);
  EXPECT_EQ(code(ECONNREFUSED), ErrorCode::unavailable);
  EXPECT_EQ(code(EMFILE), ErrorCode::unavailable);
  EXPECT_EQ(code(ENAMETOOLONG), ErrorCode::invalid_argument);
  EXPECT_EQ(code(ENOSYS), ErrorCode::unsupported);
  EXPECT_EQ(code(EIO), ErrorCode::internal);
}

TEST(Error, AFileNameCannotDriveTheTerminal) {
  Error const error = system_error(ENOENT, "open", "/tmp/\x1b]0;owned\x07\nx");
  EXPECT_EQ(error.message.find('\x1b'), std::string::npos);
  EXPECT_EQ(error.message.find('\n'), std::string::npos);
}

Status failing_step() {
  return fail(ErrorCode::timeout, "step {} took {} ms", 3, 50);
}
Result<int> steps(bool& reached) {
  DROVER_TRY(failing_step());
  reached = true;
  return 1;
}

TEST(Error, TryReturnsTheErrorAndStopsThere) {
  bool reached = false;
  auto const result = steps(reached);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::timeout);
  EXPECT_EQ(result.error().message, "step 3 took 50 ms");
  EXPECT_FALSE(reached);
}

}  // namespace
}  // namespace drover
