#include "contract/workload.h"

#include <gtest/gtest.h>

#include "contract/test_examples.h"

namespace drover::contract {
namespace {

// Parses every valid example and prints it again; refuses every invalid one.
template <class Parse>
void expect_round_trip(std::string_view definition, Parse parse) {
  for (auto const& example : examples("runtime.v1", "valid", definition)) {
    auto const value = parse(example.text);
    ASSERT_TRUE(value.has_value()) << example.name << ": " << value.error().message;
    EXPECT_EQ(to_json(*value), json_of(example.text)) << example.name;
  }
  for (auto const& example : examples("runtime.v1", "invalid", definition))
    EXPECT_FALSE(parse(example.text).has_value()) << example.name;
}

TEST(Workload, GoldensRoundTrip) {
  expect_round_trip("workloadSpec", parse_workload_spec);
  expect_round_trip("workloadStatus", parse_workload_status);
  expect_round_trip("runtimeEvent", parse_runtime_event);
}

TEST(Workload, NamesRoundTrip) {
  for (auto const* name : {"starting", "running", "stopping", "stopped", "destroyed"})
    EXPECT_EQ(to_string(*parse_workload_state(name)), name);
  for (auto const* name :
       {"completed", "stopped", "idle_timeout", "failed", "oom", "start_failed", "max_lifetime"})
    EXPECT_EQ(to_string(*parse_stop_reason(name)), name);
  for (auto const* name : {"docker", "k8s", "process"})
    EXPECT_EQ(to_string(*parse_backend_kind(name)), name);
  EXPECT_FALSE(parse_workload_state("dead").has_value());
}

TEST(Workload, EqualSpecsDifferInNothingAndEveryMemberCounts) {
  auto const base = *parse_workload_spec(
      R"({"workloadId":"w","profile":"p","env":{"A":"1","B":"2"},"resources":{"cpu":1}})");
  EXPECT_TRUE(differing_members(base, base).empty());
  auto const changed = [&](auto change) {
    auto other = base;
    change(other);
    return differing_members(base, other);
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(changed([](auto& s) { s.profile = "q"; }), Names{"profile"});
  EXPECT_EQ(changed([](auto& s) { s.env["A"] = "secret"; }), Names{"env.A"});
  EXPECT_EQ(changed([](auto& s) { s.env["C"] = "3"; }), Names{"env.C"});
  EXPECT_EQ(changed([](auto& s) { s.env.erase("B"); }), Names{"env.B"});
  EXPECT_EQ(changed([](auto& s) { s.callback_url = "http://x/"; }), Names{"callbackUrl"});
  EXPECT_EQ(changed([](auto& s) { s.resources.cpu = 2; }), Names{"resources.cpu"});
  EXPECT_EQ(changed([](auto& s) { s.resources.memory_mb = 2; }), Names{"resources.memoryMb"});
  EXPECT_EQ(changed([](auto& s) { s.resources.gpu = 2; }), Names{"resources.gpu"});
  EXPECT_EQ(changed([](auto& s) { s.idle_timeout_s = 2; }), Names{"idleTimeoutSec"});
  EXPECT_EQ(changed([](auto& s) { s.max_lifetime_s = 2; }), Names{"maxLifetimeSec"});
  EXPECT_EQ(changed([](auto& s) { s.backend = BackendKind::docker; }), Names{"backend"});
}

TEST(Workload, TransitionsAreThoseOfTheContract) {
  using enum WorkloadState;
  std::vector<WorkloadState> const all = {starting, running, stopping, stopped, destroyed};
  std::vector<std::pair<WorkloadState, WorkloadState>> const allowed = {
      {starting, running}, {starting, stopping}, {starting, stopped}, {running, stopping},
      {running, stopped},  {stopping, stopped},  {stopped, destroyed}};
  for (auto const from : all)
    for (auto const to : all) {
      bool const listed = std::ranges::find(allowed, std::pair{from, to}) != allowed.end();
      EXPECT_EQ(can_follow(from, to), listed) << to_string(from) << " to " << to_string(to);
    }
}

TEST(Workload, ExitsAreNamedByTheirCause) {
  EXPECT_EQ(stop_reason_of_exit(0, false), StopReason::completed);
  EXPECT_EQ(stop_reason_of_exit(137, false), StopReason::failed);
  EXPECT_EQ(stop_reason_of_exit(137, true), StopReason::oom);
}

}  // namespace
}  // namespace drover::contract
