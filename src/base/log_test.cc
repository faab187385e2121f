#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "base/secret.h"
#include "base/text.h"
#include "base/time.h"

namespace drover {
namespace {

class Log : public ::testing::Test {
 protected:
  void TearDown() override { log::set_level(log::Level::info); }

  static std::string written(auto action) {
    testing::internal::CaptureStderr();
    action();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(Log, ALineHasTimeLevelEventAndFields) {
  auto const line = written([] { log::info("run-claimed", {{"run", "run-1"}, {"epoch", 2}}); });
  ASSERT_TRUE(line.ends_with(" INFO run-claimed run=run-1 epoch=2\n")) << line;
  EXPECT_TRUE(parse_rfc3339(line.substr(0, line.find(' '))).has_value()) << line;
}

TEST_F(Log, LevelsBelowTheWantedAreSilent) {
  log::set_level(log::Level::warn);
  EXPECT_EQ(written([] {
              log::debug("a");
              log::info("b");
            }),
            "");
  auto const lines = written([] {
    log::warn("c");
    log::error("d");
  });
  EXPECT_EQ(std::ranges::count(lines, '\n'), 2);
  log::set_level(log::Level::off);
  EXPECT_EQ(written([] { log::error("e"); }), "");
}

TEST_F(Log, AValueCannotForgeALineOrAField) {
  auto const line = written(
      [] { log::info("x", {{"name", "a\n2026-01-01T00:00:00Z ERROR forged\x1b[2J y=\"1\""}}); });
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_NE(line.find("name=\"a 2026"), std::string::npos) << line;
  EXPECT_NE(line.find("y=\\\"1\\\"\"\n"), std::string::npos) << line;
  EXPECT_NE(written([] { log::info("x", {{"empty", ""}}); }).find("empty=\"\""), std::string::npos);
}

TEST_F(Log, LongValuesAreCutVisibly) {
  auto const line = written([] { log::info("x", {{"v", std::string(100'000, 'a')}}); });
  EXPECT_LT(line.size(), 2200U);
  EXPECT_NE(line.find("…"), std::string::npos);
}

TEST_F(Log, SecretsAreNotPrinted) {
  Secret const secret{"sk-very-secret"};
  auto const line = written([&] { log::info("x", {{"key", secret}}); });
  EXPECT_NE(line.find("key=***"), std::string::npos);
  EXPECT_EQ(line.find("very"), std::string::npos);
}

TEST_F(Log, LinesOfSeveralThreadsStayWhole) {
  auto const lines = written([] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([] {
        for (int i = 0; i < 200; ++i)
          log::info("tick", {{"text", std::string(200, 'x')}});
      });
  });
  auto const rows = split(trim(lines), '\n');
  ASSERT_EQ(rows.size(), 800U);
  for (auto const row : rows)
    ASSERT_TRUE(row.ends_with("text=" + std::string(200, 'x'))) << row;
}

}  // namespace
}  // namespace drover
