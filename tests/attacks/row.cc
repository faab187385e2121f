#include "attacks/row.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <tuple>

#include "os/files.h"

namespace drover::attacks {

namespace {

struct Line {
  std::string id;
  std::string target;
  std::string attack;
  std::string outcome;
  bool ok = true;
};

std::vector<Line>& lines() {
  static std::vector<Line> all;
  return all;
}

// "A2" before "A10".
int number_of(std::string const& id) {
  return std::atoi(id.c_str() + 1);
}

}  // namespace

Row::Row(std::string id, std::string target, std::string attack)
    : id_(std::move(id)), target_(std::move(target)), attack_(std::move(attack)) {}

Row::~Row() {
  EXPECT_GT(controls_, 0) << id_ << ": a row without a control proves nothing";
  std::string outcome;
  for (auto const& one : outcomes_)
    outcome += (outcome.empty() ? "" : ", ") + one;
  bool const ok = ok_ && controls_ > 0 && !::testing::Test::HasFailure();
  lines().push_back({id_, target_, attack_, std::move(outcome), ok});
}

void Row::outcome(std::string text) {
  if (std::ranges::find(outcomes_, text) == outcomes_.end()) outcomes_.push_back(std::move(text));
}

void Row::expect(std::string_view what, std::string const& got,
                 std::vector<std::string> const& allowed) {
  bool const held = std::ranges::find(allowed, got) != allowed.end();
  EXPECT_TRUE(held) << id_ << ": " << what << " gave " << got << ", not "
                    << fmt::format("{}", fmt::join(allowed, " or "));
  ok_ = ok_ && held;
  outcome(held ? got : fmt::format("{}: {}", what, got));
}

void Row::holds(std::string_view what, bool held, std::string const& detail) {
  EXPECT_TRUE(held) << id_ << ": " << what << " does not hold: " << detail;
  ok_ = ok_ && held;
  outcome(held ? std::string{what} : fmt::format("NOT {}", what));
}

void Row::control(std::string_view what, bool held, std::string const& detail) {
  EXPECT_TRUE(held) << id_ << ": the control \"" << what
                    << "\" fails, so this row proves nothing: " << detail;
  ok_ = ok_ && held;
  ++controls_;
}

std::string table() {
  auto all = lines();
  std::ranges::sort(all, {}, [](Line const& line) {
    return std::tuple{number_of(line.id), line.target, line.attack};
  });
  std::string text =
      fmt::format("\n{:<5} {:<9} {:<68} {:<3} {}\n", "row", "target", "attack", "ok", "outcome");
  for (auto const& line : all)
    text += fmt::format("{:<5} {:<9} {:<68} {:<3} {}\n", line.id, line.target, line.attack,
                        line.ok ? "yes" : "NO", line.outcome);
  return text;
}

TemporaryFolder::TemporaryFolder() {
  char name[] = "/tmp/drover-attacks-XXXXXX";
  EXPECT_NE(nullptr, ::mkdtemp(name));
  EXPECT_EQ(0, ::chmod(name, 0755));
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  EXPECT_TRUE(os::remove_tree(path_));
}

}  // namespace drover::attacks
