#include "workflow/run_bundle.h"

#include <gtest/gtest.h>

#include <set>

#include "workflow/testing.h"

namespace drover::workflow {
namespace {

using testing::kData;

class Bundles : public testing::Scratch {
 protected:
  json::value bundle(std::string const& run) {
    auto const made = bundle_run(copy(run), clock_);
    EXPECT_TRUE(made) << made.error().message;
    return json::value(*made);
  }
  Result<ImportedRun> import(json::value const& bundle, std::string const& run_id = "") {
    return unbundle_run(bundle, folder_ + "/imported", run_id, clock_, random_);
  }
};

TEST_F(Bundles, ARunThatWasCarriedIsTheSameToTheByte) {
  for (auto const& run : testing::runs()) {
    SCOPED_TRACE(run);
    RunFolder const original = copy(run);
    auto const made = bundle_run(original, clock_);
    // Some of the recorded runs are broken on purpose.
    if (!read_run(original)) {
      EXPECT_FALSE(made);
      continue;
    }
    ASSERT_TRUE(made) << made.error().message;
    auto const imported = import(json::value(*made), "copy");
    ASSERT_TRUE(imported) << imported.error().message;
    for (auto const& file : testing::files_in(original.journal()))
      if (file.ends_with(".json"))
        EXPECT_EQ(testing::read(imported->folder.journal() + "/" + file),
                  testing::read(original.journal() + "/" + file));
    for (auto const& effect : testing::files_in(original.at("tasks")))
      if (is_plain_name(effect))
        EXPECT_EQ(testing::files_in(imported->folder.task(effect)),
                  testing::files_in(original.task(effect)));
    EXPECT_EQ(read_run(imported->folder)->history.head(), read_run(original)->history.head());
    ASSERT_TRUE(os::remove_tree(imported->folder.path()));
  }
}

TEST_F(Bundles, BytesThatAreNoTextAreCarriedToo) {
  RunFolder const run = copy("v6/completed");
  std::string bytes;
  for (int i = 0; i < 256; ++i)
    bytes += static_cast<char>(i);
  ASSERT_TRUE(run.write_text("artifacts/image", bytes));
  auto const made = bundle_run(run, clock_);
  ASSERT_TRUE(made);
  auto const imported = import(json::value(*made));
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(testing::read(imported->folder.at("artifacts/image")), bytes);
}

TEST_F(Bundles, AnIdIsTakenOnce) {
  auto const made = bundle("v6/completed");
  auto const first = import(made, "mine");
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(read_run_record(first->folder)->run_id, "mine");
  EXPECT_EQ(import(made, "mine").error().code, ErrorCode::conflict);
  EXPECT_EQ(import(made, "../out").error().code, ErrorCode::invalid_argument);
}

TEST_F(Bundles, APathThatLeadsOutIsRefusedAndNothingIsLeft) {
  for (auto const* const path : {"../escaped", "/tmp/escaped", "a/../../escaped", ""}) {
    auto made = bundle("v6/completed");
    made.at("files").as_object().emplace(path, json::object{{"text", "x"}});
    EXPECT_EQ(import(made).error().code, ErrorCode::data_corrupt) << path;
    EXPECT_EQ(testing::files_in(folder_ + "/imported"), std::vector<std::string>{}) << path;
    EXPECT_FALSE(os::exists(folder_ + "/escaped"));
  }
}

TEST_F(Bundles, WhatIsNoWholeRunIsRefused) {
  auto made = bundle("v6/completed");
  auto& files = made.at("files").as_object();
  std::string first;
  for (auto const& member : files)
    if (member.key().starts_with("journal/000002")) first = member.key();
  files.erase(first);
  EXPECT_EQ(import(made).error().code, ErrorCode::data_corrupt);
  EXPECT_EQ(import(json::object{{"format", "other"}}).error().code, ErrorCode::unsupported);
  EXPECT_FALSE(import(json::value(1)));
  EXPECT_FALSE(import(json::object{{"format", kBundleFormat}}));
  EXPECT_FALSE(
      import(json::object{{"format", kBundleFormat},
                          {"runId", "x"},
                          {"files", json::object{{"run.json", json::object{{"hex", "zz"}}}}}}));
  EXPECT_EQ(testing::files_in(folder_ + "/imported"), std::vector<std::string>{});
}

TEST_F(Bundles, ATraceHasASpanForEachEffectInThatOfTheRun) {
  auto const run = read_run(copy("v6/completed-parallel"));
  ASSERT_TRUE(run);
  auto const trace = trace_of(*run);
  auto const& spans = trace.at("resourceSpans")
                          .as_array()
                          .at(0)
                          .at("scopeSpans")
                          .as_array()
                          .at(0)
                          .at("spans")
                          .as_array();
  ASSERT_EQ(spans.size(), run->history.effects().size() + 1);
  std::set<std::string> ids;
  auto const number = [](json::value const& text) {
    return std::stoull(std::string{text.as_string()});
  };
  auto const& root = spans.at(0);
  for (auto const& span : spans) {
    EXPECT_EQ(span.at("traceId").as_string().size(), 32U);
    EXPECT_EQ(span.at("spanId").as_string().size(), 16U);
    EXPECT_TRUE(ids.emplace(span.at("spanId").as_string()).second);
    EXPECT_GE(number(span.at("startTimeUnixNano")), number(root.at("startTimeUnixNano")));
    EXPECT_LE(number(span.at("endTimeUnixNano")), number(root.at("endTimeUnixNano")));
    EXPECT_GE(number(span.at("endTimeUnixNano")), number(span.at("startTimeUnixNano")));
    if (&span != &root) EXPECT_EQ(span.at("parentSpanId"), root.at("spanId"));
  }
}

}  // namespace
}  // namespace drover::workflow
