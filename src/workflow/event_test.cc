#include "workflow/event.h"

#include <gtest/gtest.h>

#include "workflow/testing.h"

namespace drover::workflow {
namespace {

using testing::files_in;
using testing::kData;
using testing::read;
using testing::runs;

TEST(Event, EveryEntryOfTheSdkIsReadAndWrittenToTheByte) {
  int seen = 0;
  for (auto const& run : runs())
    for (auto const& file : files_in(kData + "/" + run + "/journal")) {
      auto const name = parse_file_name(file);
      if (!name || run == "v6/corrupt-truncated") continue;
      std::string const text = read(kData + "/" + run + "/journal/" + file);
      auto const event = parse_event(*name, text);
      ASSERT_TRUE(event) << run << " " << file << " " << event.error().message;
      EXPECT_EQ(print_event(*event, run.starts_with("v0") ? Writer::older : Writer::current), text);
      EXPECT_EQ(file_name(*name), file);
      ++seen;
    }
  EXPECT_GT(seen, 60);
}

TEST(Event, AChangedTextIsRefused) {
  Event event;
  event.name = {1, "01M7XPHZ6W3PN1J1AX26VGTYNV"};
  event.type = "RUN_CREATED";
  event.recorded_at = "2026-11-21T00:02:04.125Z";
  event.data = json::object{{"runId", "r"}};
  std::string text = print_event(event, Writer::current);
  ASSERT_TRUE(parse_event(event.name, text));
  auto const at = text.find("\"r\"");
  text[at + 1] = 's';
  EXPECT_EQ(parse_event(event.name, text).error().code, ErrorCode::data_corrupt);
}

TEST(Event, AnotherLayoutOfTheSameContentHolds) {
  Event event;
  event.name = {1, "A"};
  event.type = "X";
  event.recorded_at = "t";
  event.data = json::object{{"a", 1}};
  auto const value = parse_json(print_event(event, Writer::older));
  EXPECT_TRUE(parse_event(event.name, json::serialize(*value)));
}

TEST(Event, NamesThatAreNone) {
  for (auto const* const name :
       {"", ".json", "000001.json", "1.A.json", "000000.A.json", "00000x.A.json", "000001.A.txt",
        "000001.A.B.json", "000002.01M7XPNKX2PQ1RQ4RW130NCRCP.json.tmp-14612-1795219443630-0"})
    EXPECT_FALSE(parse_file_name(name)) << name;
  EXPECT_EQ(parse_file_name("1000000.A.json"), (EventName{1'000'000, "A"}));
}

}  // namespace
}  // namespace drover::workflow
