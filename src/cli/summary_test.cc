#include "cli/summary.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "base/text.h"

namespace drover::cli {
namespace {

json::object run() {
  return json::parse(R"({"state":"succeeded","reason":"completed","turns":5,
    "commits":[{"workspace":"app","sha":"1a2b3c4d5e6f","branch":"main","files":2,"insertions":10,
                "deletions":2,"subject":"Fix the slug"}],
    "usage":{"input":300,"output":456,"cache_read":900,"cache_write":34,"cost_usd":0.0123},
    "phases":{"queue_ms":3,"start_ms":31,"model_ms":8100,"tool_ms":3900,"commit_ms":22,
              "total_ms":12300}})")
      .as_object();
}

TEST(Summary, ASuccessfulRun) {
  EXPECT_EQ(render_outcome(run(), {}), "✔ succeeded in 12.3 s, 5 model calls\n");
  EXPECT_EQ(render_commits(run(), {}),
            "  1a2b3c4d Fix the slug  on main, 2 files, +10 -2  [app]\n");
  EXPECT_EQ(render_costs(run(), {}),
            "queue  start  model  tools  commit   total\n"
            " 3 ms  31 ms  8.1 s  3.9 s   22 ms  12.3 s\n"
            "tokens  1.2k in (900 from cache), 456 out   cost  $0.0123\n");
}

TEST(Summary, AFailedRunNamesItsReasonAndDetail) {
  auto const failed =
      json::parse(R"({"state":"failed","reason":"budget_exhausted","detail":"$2.00 of $2.00"})")
          .as_object();
  EXPECT_EQ(render_outcome(failed, {}), "✗ failed (budget_exhausted)\n  $2.00 of $2.00\n");
  EXPECT_EQ(render_commits(failed, {}), "");
  EXPECT_EQ(render_costs(failed, {}), "");
}

TEST(Summary, HostileMembersAreHarmless) {
  json::object hostile = run();
  hostile["detail"] = "\x1b]0;x\x07";
  hostile["reason"] = "\x1b[2J";
  hostile["commits"].as_array()[0].as_object()["subject"] = "\x1b]52;c;x\x07\n\r";
  hostile["commits"].as_array()[0].as_object()["branch"] = "\xe2\x80\xae";
  std::string const text = render_outcome(hostile, {}) + render_commits(hostile, {});
  EXPECT_EQ(terminal_safe(text), text);
}

TEST(Summary, ExitCodesFollowTheState) {
  EXPECT_EQ(exit_code_of_state("succeeded"), 0);
  EXPECT_EQ(exit_code_of_state("failed"), 1);
  EXPECT_EQ(exit_code_of_state("cancelled"), 1);
  EXPECT_EQ(exit_code_of_state("waiting"), 4);
}

}  // namespace
}  // namespace drover::cli
