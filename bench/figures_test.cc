#include "figures.h"

#include <gtest/gtest.h>

#include <string>

namespace drover::bench {
namespace {

Samples samples_to(int count) {
  Samples samples;
  for (int i = count; i >= 1; --i)
    samples.add(i);
  return samples;
}

std::string printed(Report const& report, OutputForm form) {
  ::testing::internal::CaptureStdout();
  report.print(form);
  return ::testing::internal::GetCapturedStdout();
}

TEST(Samples, AQuantileIsTheValueOfTheNearestRank) {
  EXPECT_EQ(samples_to(100).quantile(0.5), 50);
  EXPECT_EQ(samples_to(100).quantile(0.99), 99);
  EXPECT_EQ(samples_to(20).quantile(0.99), 20);
  EXPECT_EQ(samples_to(5).median(), 3);
  EXPECT_EQ(samples_to(1).quantile(0), 1);
}

TEST(Report, AJsonLineHasTheFiveMembersInTheirOrder) {
  Report report{"commit", Effort::thorough};
  report.add("10000-files", "p50", "ms", 12.5);
  EXPECT_EQ(printed(report, OutputForm::json_lines),
            R"({"bench":"commit","case":"10000-files","metric":"p50","unit":"ms","value":12.5})"
            "\n");
}

TEST(Report, TheTableSaysWhichGoalIsMissed) {
  Report met{"commit", Effort::thorough};
  met.add("10000-files", "p50", "ms", 30);
  EXPECT_NE(printed(met, OutputForm::table).find("<= 30.0 ok"), std::string::npos);
  Report missed{"commit", Effort::thorough};
  missed.add("10000-files", "p50", "ms", 30.1);
  EXPECT_NE(printed(missed, OutputForm::table).find("<= 30.0 MISSED"), std::string::npos);
  Report other{"commit", Effort::thorough};
  other.add("10000-files", "p99", "ms", 31);
  EXPECT_EQ(printed(other, OutputForm::table).find("<="), std::string::npos);
}

TEST(Report, AGoalMayBeALeast) {
  Report met{"dispatch", Effort::thorough};
  met.add("embedded-c64", "cycle_vs_bullmq", "x", 5);
  EXPECT_NE(printed(met, OutputForm::table).find(">= 5.00 ok"), std::string::npos);
  Report missed{"dispatch", Effort::thorough};
  missed.add("embedded-c64", "cycle_vs_bullmq", "x", 4.9);
  EXPECT_NE(printed(missed, OutputForm::table).find(">= 5.00 MISSED"), std::string::npos);
}

TEST(Report, ARemarkIsForPeople) {
  Report report{"commit", Effort::thorough};
  report.remark("one sentence");
  EXPECT_NE(printed(report, OutputForm::table).find("one sentence\n"), std::string::npos);
  EXPECT_EQ(printed(report, OutputForm::json_lines), "");
}

TEST(Report, QuickMakesFewRepetitionsAndNeverMoreThanAskedFor) {
  Report const quick{"loop", Effort::quick};
  EXPECT_EQ(quick.repetitions(30), 3);
  EXPECT_EQ(quick.repetitions(1), 1);
  Report const thorough{"loop", Effort::thorough};
  EXPECT_EQ(thorough.repetitions(30), 30);
}

}  // namespace
}  // namespace drover::bench
