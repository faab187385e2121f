#include "net/sse.h"

#include <gtest/gtest.h>

namespace drover::net {
namespace {

using Shown = std::vector<std::string>;

// Each event as "event|data|id".
Shown shown(std::vector<SseEvent> const& events) {
  Shown out;
  for (SseEvent const& event : events)
    out.push_back(event.event + "|" + event.data + "|" + event.id);
  return out;
}

Shown parse(std::string_view text, std::size_t cut_first, std::size_t cut_second) {
  SseParser parser;
  Shown out;
  for (std::string_view piece :
       {text.substr(0, cut_first), text.substr(cut_first, cut_second - cut_first),
        text.substr(cut_second)}) {
    auto const events = parser.feed(piece);
    EXPECT_TRUE(events);
    for (std::string const& event : shown(*events))
      out.push_back(event);
  }
  return out;
}

struct Example {
  std::string_view text;
  Shown events;
};

std::vector<Example> examples() {
  using namespace std::string_view_literals;
  return {
      {"data: YHOO\ndata: +2\ndata: 10\n\n", {"message|YHOO\n+2\n10|"}},
      {": comment\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n",
       {"message|first|1", "message|second|", "message| third|"}},
      {"data\n\ndata\ndata\n\ndata:", {"message||", "message|\n|"}},
      {"data:test\n\ndata: test\n\n", {"message|test|", "message|test|"}},
      {"\xEF\xBB\xBF"
       "data: behind a mark\n\n",
       {"message|behind a mark|"}},
      {"\xEF\xBB\xBF\xEF\xBB\xBF"
       "data: second mark spoils\n\ndata: x\n\n",
       {"message|x|"}},
      {"\xEF\xBB"
       "data: half a mark spoils\n\ndata: x\n\n",
       {"message|x|"}},
      {"data: a\r\n\r\ndata: b\r\rdata: c\n\n", {"message|a|", "message|b|", "message|c|"}},
      {"event: tick\r\ndata: a\rdata: b\n\r\n", {"tick|a\nb|"}},
      {"event: no-data\n\ndata: plain\n\n", {"message|plain|"}},
      {"id: 7\ndata: a\n\nid: bad\0id\ndata: b\n\n"sv, {"message|a|7", "message|b|7"}},
      {"unknown: x\nretry: 250\ndata: a\n\n", {"message|a|"}},
      {"data: {\"a\":1}\nevent: cut off", {}},
      {"data: 1\n\n\n\ndata: 2\n\n", {"message|1|", "message|2|"}},
  };
}

TEST(Sse, GivesTheSameEventsForEveryCut) {
  for (Example const& example : examples()) {
    for (std::size_t first = 0; first <= example.text.size(); ++first) {
      for (std::size_t second = first; second <= example.text.size(); ++second)
        ASSERT_EQ(parse(example.text, first, second), example.events)
            << example.text << " cut at " << first << ", " << second;
    }
  }
}

TEST(Sse, OneByteAtATime) {
  SseParser parser;
  Shown out;
  for (char c : std::string_view{"\xEF\xBB\xBFid: 5\r\nevent: e\r\ndata: x\r\n\r\n"}) {
    auto const events = parser.feed({&c, 1});
    for (std::string const& event : shown(*events))
      out.push_back(event);
  }
  EXPECT_EQ(out, Shown{"e|x|5"});
  EXPECT_EQ(parser.last_event_id(), "5");
}

TEST(Sse, RetryTakesDigitsOnly) {
  SseParser parser;
  ASSERT_TRUE(parser.feed("retry: 1500\n\nretry: 20s\n\nretry: 99999999999999999999\n\n"));
  EXPECT_EQ(parser.retry_ms(), 1500U);
}

TEST(Sse, RefusesAnEventAboveItsBoundAndStaysRefusing) {
  for (std::string_view line : {"data: 0123456789", "event: 0123456789", ":01234567890123456789"}) {
    SseParser parser{20};
    std::string const text = std::string{line} + "\n" + std::string{line};
    Result<std::vector<SseEvent>> result;
    for (char c : text + text) {
      result = parser.feed({&c, 1});
      if (!result) break;
    }
    ASSERT_FALSE(result) << line;
    EXPECT_EQ(result.error().code, ErrorCode::too_large);
    EXPECT_FALSE(parser.feed("\n\ndata: x\n\n"));
  }
}

TEST(Sse, ManyEventsDoNotAddUpToTheBound) {
  SseParser parser{64};
  for (int i = 0; i < 1000; ++i) {
    auto const events = parser.feed("event: tick\ndata: 0123456789\n\n");
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 1U);
  }
}

TEST(Sse, PrintsWhatItParses) {
  for (std::string_view data : {"one", "", "a\nb", "a\n", "\n", " leading", "a\r\nb\rc"}) {
    SseParser parser;
    auto const events = parser.feed(format_sse("12", "kind", data));
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 1U);
    std::string expected{data};
    if (data == "a\r\nb\rc") expected = "a\nb\nc";
    EXPECT_EQ(events->front().data, expected);
    EXPECT_EQ(events->front().event, "kind");
    EXPECT_EQ(events->front().id, "12");
  }
}

TEST(Sse, LineBreaksInIdAndEventCannotForgeFields) {
  EXPECT_EQ(format_sse("1\ndata: x", "e\r\n\r\ndata: y", "z"),
            "id: 1 data: x\nevent: e    data: y\ndata: z\n\n");
  EXPECT_EQ(format_sse_comment("a\nb"), ": a b\n\n");
  EXPECT_EQ(format_sse("", "", "x"), "data: x\n\n");
}

}  // namespace
}  // namespace drover::net
