#include "cli/context.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "base/json.h"
#include "base/text.h"
#include "cli/layout.h"

namespace drover::cli {
namespace {

Style terminal() {
  return {.device = Device::terminal, .colour = Colour::always, .redraws = true, .width = 80};
}

TEST(JsonLine, AFileGetsTheVeryBytes) {
  std::string const text = "{\"a\":\"\x7f\xc2\x9b\xe2\x80\xae\"}";
  EXPECT_EQ(json_line(text, {}), text + "\n");
}

TEST(JsonLine, ATerminalGetsTheSameValueWithoutControls) {
  std::string const text = "{\"a\":\"é🚀 \x7f\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xd8\x9c x\"}";
  std::string const line = json_line(text, terminal());
  EXPECT_EQ(terminal_safe(line), line);
  EXPECT_TRUE(line.contains("é🚀"));
  EXPECT_TRUE(line.contains("\\u009b"));
  EXPECT_EQ(json::parse(line), json::parse(text));
}

TEST(ApiError, TellsWhatTheServerSaid) {
  auto const error =
      error_of_answer(400, R"({"error":{"code":"invalid_argument","message":"expected ro or rw",)"
                           R"("next":"fix it","pointer":"/workspaces/0/mode"}})");
  EXPECT_EQ(error.code, ErrorCode::invalid_argument);
  EXPECT_EQ(error.text(), "/workspaces/0/mode: expected ro or rw; fix it");
  EXPECT_EQ(error_of_answer(409, R"({"error":{"code":"conflict","message":"m","conflicts":["a"]}})")
                .message,
            "m: a");
}

TEST(ApiError, AnAnswerOfSomethingElseIsStillAnError) {
  EXPECT_EQ(error_of_answer(404, "<html>").code, ErrorCode::not_found);
  EXPECT_EQ(error_of_answer(503, "").code, ErrorCode::unavailable);
  EXPECT_EQ(error_of_answer(599, "{}").code, ErrorCode::upstream);
  EXPECT_EQ(error_of_answer(418, "[]").code, ErrorCode::invalid_argument);
  auto const hostile =
      error_of_answer(400, R"({"error":{"message":"\u001b]0;x\u0007","next":"\u009b2J"}})");
  EXPECT_EQ(terminal_safe(hostile.text()), hostile.text());
}

TEST(Progress, LineFitsAndSaysWhatIsKnown) {
  Tally tally;
  EXPECT_EQ(progress_line(tally, Millis{40}, 0, 80), "⠋ waiting for the server  40 ms");
  tally.state = "running";
  tally.model_calls = 3;
  tally.tokens_in = 1234;
  tally.tokens_out = 56;
  tally.cost_usd = 0.5;
  EXPECT_EQ(progress_line(tally, Millis{12'345}, 11, 80),
            "⠙ running  12.0 s  3 calls  1.2k in, 56 out  $0.5000");
  for (std::size_t columns = 1; columns < 80; ++columns)
    EXPECT_LT(display_width(progress_line(tally, Millis{1}, 0, columns)),
              std::max<std::size_t>(columns, 2));
}

}  // namespace
}  // namespace drover::cli
