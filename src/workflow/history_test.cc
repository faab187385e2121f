#include "workflow/history.h"

#include <gtest/gtest.h>

#include "workflow/js_text.h"
#include "workflow/open_run.h"
#include "workflow/state_cache.h"
#include "workflow/testing.h"
#include "workflow/views.h"

namespace drover::workflow {
namespace {

using testing::expected;
using testing::kData;
using testing::runs;

// The cache that the SDK had when it printed what is expected: what is printed of it.
std::optional<StoredState> cache_of(std::string const& printed) {
  auto const value = parse_json(printed);
  if (!value) return std::nullopt;
  auto const* const metadata = value->as_object().if_contains("metadata");
  if (metadata == nullptr || !metadata->is_object() ||
      !metadata->get_object().contains("stateVersion"))
    return std::nullopt;
  auto const& object = metadata->get_object();
  StoredState state;
  state.version = integer_or(object, "stateVersion", 0);
  state.reason = string_or(object, "stateRebuildReason", "");
  auto const& head = object.at("journalHead").as_object();
  state.head.seq = static_cast<std::uint64_t>(head.at("seq").as_int64());
  state.head.ulid = head.at("ulid").as_string();
  state.whole = json::object{{"pendingEffectsByKind", object.at("pendingEffectsByKind")}};
  return state;
}

class Sdk : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto run = read_run(RunFolder{kData + "/" + GetParam()});
    ASSERT_TRUE(run) << run.error().message;
    view_ = std::make_unique<RunView>(*std::move(run));
  }
  std::unique_ptr<RunView> view_;
};

TEST_P(Sdk, StatusIsPrintedToTheByte) {
  auto const printed = expected(GetParam(), "run-status.stdout");
  EXPECT_EQ(compact_text(status_view(*view_, cache_of(printed))) + "\n", printed);
}

TEST_P(Sdk, EventsArePrintedToTheByte) {
  auto const printed = expected(GetParam(), "run-events.stdout");
  EXPECT_EQ(compact_text(events_view(*view_, cache_of(printed), {})) + "\n", printed);
}

TEST_P(Sdk, TasksArePrintedToTheByte) {
  EXPECT_EQ(file_text(tasks_view(view_->history, {})), expected(GetParam(), "task-list.stdout"));
}

TEST_P(Sdk, ARebuiltStateIsPrintedToTheByte) {
  EXPECT_EQ(file_text(rebuilt_view(GetParam(), view_->history, "cli_manual")),
            expected(GetParam(), "run-rebuild-state.stdout"));
}

TEST_P(Sdk, TheStateCacheIsTheSdksToTheByte) {
  auto const written = expected(GetParam(), "state-after-iterate.json");
  auto const value = parse_json(written);
  ASSERT_TRUE(value);
  auto const& state = value->as_object();
  // Of a journal that the iterate did not lengthen.
  if (state.at("stateVersion").as_int64() != static_cast<std::int64_t>(view_->history.head().seq))
    return;
  EXPECT_EQ(
      file_text(state_of(view_->history, view_->record.writer, string_or(state, "savedAt", ""),
                         string_or(state, "rebuildReason", ""))),
      written);
}

std::vector<std::string> readable_runs() {
  auto names = runs();
  std::erase(names, "v6/corrupt-truncated");
  return names;
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Sdk, ::testing::ValuesIn(readable_runs()),
                         [](auto const& param) {
                           std::string name = param.param;
                           for (char& c : name)
                             if (c == '/' || c == '-') c = '_';
                           return name;
                         });

Event event(std::uint64_t seq, std::string_view type, json::object data) {
  Event made;
  made.name = {seq, "0" + std::to_string(1'000 + seq)};
  made.type = type;
  made.recorded_at = "2026-01-01T00:00:00.000Z";
  made.data = std::move(data);
  return made;
}

json::object request(std::string_view id, std::string_view key) {
  return json::object{{"effectId", id},   {"invocationKey", key}, {"stepId", key},
                      {"taskId", "task"}, {"taskDefRef", "x"},    {"kind", "node"}};
}

TEST(History, RefusesWhatContradictsItself) {
  History history;
  ASSERT_TRUE(history.apply(event(1, "RUN_CREATED", {})));
  ASSERT_TRUE(history.apply(event(2, "EFFECT_REQUESTED", request("e", "k"))));
  EXPECT_FALSE(history.apply(event(4, "OTHER", {})));                                // a gap
  EXPECT_FALSE(history.apply(event(3, "EFFECT_REQUESTED", request("e", "other"))));  // twice
  EXPECT_FALSE(history.apply(event(3, "EFFECT_REQUESTED", request("f", "k"))));
  EXPECT_FALSE(history.apply(event(3, "EFFECT_RESOLVED", {{"effectId", "unknown"}})));
  EXPECT_FALSE(history.apply(event(3, "EFFECT_REQUESTED", {{"effectId", "g"}})));
  EXPECT_FALSE(history.apply(event(3, "EFFECT_REQUESTED", request("../../e", "out"))));
  ASSERT_TRUE(history.apply(event(3, "EFFECT_RESOLVED", {{"effectId", "e"}, {"status", "ok"}})));
  EXPECT_FALSE(history.apply(event(4, "EFFECT_RESOLVED", {{"effectId", "e"}, {"status", "ok"}})));
  EXPECT_FALSE(history.apply(event(4, "EFFECT_CANCELLED", {{"effectId", "e"}})));
  EXPECT_TRUE(history.apply(event(4, "SOMETHING_OF_A_LATER_VERSION", {})));
  EXPECT_EQ(history.by_id("e")->status, EffectStatus::resolved_ok);
  EXPECT_EQ(history.pending(), 0);
  EXPECT_TRUE(history.apply(event(5, "EFFECT_REQUESTED", request("f", "free"))))
      << "nothing stays of an entry that was refused";
  EXPECT_EQ(history.by_key("other"), nullptr);
}

TEST(History, EffectsAreFoundAlsoWhenItHasGrownAndMoved) {
  History growing;
  ASSERT_TRUE(growing.apply(event(1, "RUN_CREATED", {})));
  constexpr std::uint64_t kMany = 200;
  for (std::uint64_t n = 2; n < kMany; ++n)  // short names, which strings keep in themselves
    ASSERT_TRUE(growing.apply(
        event(n, "EFFECT_REQUESTED", request(fmt::format("e{}", n), fmt::format("k{}", n)))));
  History const history = std::move(growing);
  for (std::uint64_t n = 2; n < kMany; ++n) {
    auto const* const effect = history.by_id(fmt::format("e{}", n));
    ASSERT_NE(effect, nullptr);
    EXPECT_EQ(effect, history.by_key(fmt::format("k{}", n)));
    EXPECT_EQ(effect->requested_seq, n);
  }
}

}  // namespace
}  // namespace drover::workflow
