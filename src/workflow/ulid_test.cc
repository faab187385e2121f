#include "workflow/ulid.h"

#include <gtest/gtest.h>

namespace drover::workflow {
namespace {

TEST(Ulid, GrowsWhateverTheClockDoes) {
  SeededRandom random{1};
  SeededRandom steps{2};
  WallTime now = from_unix_ms(1'795'219'443'630);
  std::string last;
  for (int i = 0; i < 5000; ++i) {
    now += Millis{static_cast<int>(steps.below(3)) - 1};
    auto const next = next_ulid(now, random, last);
    EXPECT_TRUE(is_ulid(next)) << next;
    EXPECT_GT(next, last);
    last = next;
  }
}

TEST(Ulid, TellsItsTimeAsOtherToolsDo) {
  SeededRandom random{1};
  auto const time = parse_rfc3339("2026-11-21T00:02:04.124Z").value();
  EXPECT_EQ(next_ulid(time, random, "").substr(0, 10), "01M7XPHZ6W");
}

TEST(Ulid, CarriesOverTheEndOfAMillisecond) {
  SeededRandom random{1};
  EXPECT_EQ(next_ulid(WallTime{}, random, "01M7XPHZ6WZZZZZZZZZZZZZZZZ"),
            "01M7XPHZ6X0000000000000000");
}

}  // namespace
}  // namespace drover::workflow
