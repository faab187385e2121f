#include "workflow/recover_error.h"

#include <gtest/gtest.h>

#include "workflow/create_run.h"
#include "workflow/open_run.h"
#include "workflow/seal.h"
#include "workflow/state_cache.h"
#include "workflow/testing.h"

namespace drover::workflow {
namespace {

class ProcessErrors : public testing::Scratch {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    NewRun wanted;
    wanted.runs_root = folder_ + "/runs";
    wanted.run_id = "one";
    auto const created = create_run(wanted, clock_, random_);
    ASSERT_TRUE(created) << created.error().message;
    run_ = created->folder;
    auto opened = open();
    OpenRun::Request asked;
    asked.task = {"effect", "task", "key", "step", json::object{{"kind", "node"}}, std::nullopt};
    std::vector<OpenRun::Request> requests;
    requests.push_back(std::move(asked));
    ASSERT_TRUE(opened.request(requests));
    TaskResult result;
    result.value = json::object{{"issues", json::array{1, 2}}};
    ASSERT_TRUE(opened.post("effect", std::move(result)));
    json::object thrown{{"error", json::object{{"name", "Error"}, {"message", "no"}}}};
    ASSERT_TRUE(opened.append(NewEvent{event_type::kProcessError, std::move(thrown)}));
  }
  OpenRun open() {
    auto opened = OpenRun::open(run_, "test", clock_, random_);
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }
  json::value given() {
    auto const view = read_run(run_);
    auto const given = read_given(run_, *view->history.by_id("effect"));
    EXPECT_TRUE(given);
    return given->value;
  }

  RunFolder run_{""};
};

TEST_F(ProcessErrors, TheRunGoesOnWithoutTheEntryWhichIsKept) {
  auto const recovered = recover_error(run_, std::nullopt, clock_, random_);
  ASSERT_TRUE(recovered) << recovered.error().message;
  EXPECT_EQ(recovered->error.at("message").as_string(), "no");
  auto const view = read_run(run_);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->history.end(), RunEnd::none);
  EXPECT_EQ(view->history.head().seq, 3U);
  EXPECT_EQ(testing::files_in(recovered->backup).size(), 4U);
  EXPECT_TRUE(read_state(run_)->head == view->history.head());
  EXPECT_EQ(recover_error(run_, std::nullopt, clock_, random_).error().code, ErrorCode::conflict);
}

TEST_F(ProcessErrors, EntriesBehindItKeepTheirNumbers) {
  {
    auto opened = open();
    ASSERT_TRUE(opened.append(NewEvent{event_type::kSignal, json::object{{"name", "go"}}}));
  }
  auto const recovered = recover_error(run_, std::nullopt, clock_, random_);
  ASSERT_TRUE(recovered) << recovered.error().message;
  EXPECT_EQ(recovered->backup, "");
  auto const view = read_run(run_);
  EXPECT_EQ(view->history.end(), RunEnd::none);
  EXPECT_EQ(view->history.signals().at(0).seq, 5U);
}

TEST_F(ProcessErrors, AResultIsMendedWithIt) {
  auto const patch = parse_patch("effect:issues.1={\"a\":\"=:\"}");
  ASSERT_TRUE(patch) << patch.error().message;
  ASSERT_TRUE(recover_error(run_, *patch, clock_, random_));
  EXPECT_EQ(json::serialize(given()), R"({"issues":[1,{"a":"=:"}]})");
  EXPECT_EQ(testing::files_in(run_.at("orphaned")).size(), 1U);
}

TEST_F(ProcessErrors, APatchThatLeadsNowhereChangesNothing) {
  for (auto const* const text : {"effect:issues.7=1", "effect:a.b=1", "other:issues=1"}) {
    auto const patch = parse_patch(text);
    ASSERT_TRUE(patch) << text;
    EXPECT_EQ(recover_error(run_, *patch, clock_, random_).error().code, ErrorCode::not_found);
    EXPECT_EQ(json::serialize(given()), R"({"issues":[1,2]})");
    EXPECT_EQ(read_run(run_)->history.end(), RunEnd::process_error);
  }
  for (auto const* const text : {"", "effect", "effect:issues", "effect=1", "effect:issues=nope"})
    EXPECT_EQ(parse_patch(text).error().code, ErrorCode::invalid_argument) << text;
}

TEST_F(ProcessErrors, ASealIsAnEndAndThereIsOne) {
  auto opened = open();
  auto const sealed = seal_run(opened, FinalStatus::failed, "enough");
  ASSERT_TRUE(sealed) << sealed.error().message;
  ASSERT_TRUE(*sealed);
  EXPECT_EQ((*sealed)->type, "RUN_FAILED");
  EXPECT_EQ(opened.history().end(), RunEnd::failed);
  auto const again = seal_run(opened, FinalStatus::completed, "more");
  ASSERT_TRUE(again);
  EXPECT_FALSE(*again);
  EXPECT_EQ(opened.history().end(), RunEnd::failed);
}

}  // namespace
}  // namespace drover::workflow
