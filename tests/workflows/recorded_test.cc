// Histories that drover recorded, under recorded/: a later drover goes on with each of them from
// any of its entries, and comes to what it came to. What breaks this breaks open runs of users.
#include <gtest/gtest.h>

#include <filesystem>

#include <boost/json.hpp>

#include "base/random.h"
#include "base/time.h"
#include "os/files.h"
#include "workflow/iterate.h"
#include "workflow/open_run.h"
#include "workflow/rewind.h"
#include "workflows/flow.h"

namespace drover::harness {
namespace {

namespace fs = std::filesystem;
using workflow::RunFolder;

class Recorded : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    fs::copy(std::string{HARNESS_RECORDED} + "/" + GetParam(), flow_.root() + "/recorded",
             fs::copy_options::recursive);
  }
  RunFolder run() const { return RunFolder{flow_.root() + "/recorded/runs/run"}; }
  static std::vector<std::string> types(RunFolder const& run) {
    auto const view = workflow::read_run(run);
    EXPECT_TRUE(view) << view.error().message;
    std::vector<std::string> types;
    if (view)
      for (auto const& event : view->journal.events)
        types.push_back(event.type);
    return types;
  }

  SystemClock clock_;
  SystemRandom random_;
  Flow flow_{""};
};

TEST_P(Recorded, GoesOnFromAnyOfItsEntries) {
  auto const all = types(run()).size();
  ASSERT_GT(all, 10U);
  for (std::size_t keep = 1; keep < all; ++keep) {
    SCOPED_TRACE("at entry " + std::to_string(keep));
    workflow::ForkWish wish;
    wish.point = std::to_string(keep);
    auto const forked = workflow::fork_run(run(), wish, clock_, random_);
    ASSERT_TRUE(forked) << forked.error().message;
    auto const iterated = workflow::iterate(forked->folder, {}, clock_, random_);
    ASSERT_TRUE(iterated) << iterated.error().message;
    bool const is_whole = keep + 1 == all;
    EXPECT_EQ(iterated->state == workflow::IterateState::completed, is_whole) << iterated->reason;
    EXPECT_TRUE(iterated->warnings.empty()) << iterated->warnings.front();
    if (is_whole)
      EXPECT_EQ(iterated->output, *parse_json(*os::read_file(run().at("state/output.json"))));
  }
}

TEST_P(Recorded, IsReplayedWithoutANewEntry) {
  auto const before = types(run());
  std::vector<fs::path> entries{fs::directory_iterator{run().journal()}, fs::directory_iterator{}};
  fs::remove(std::ranges::max(entries));
  auto const iterated = workflow::iterate(run(), {}, clock_, random_);
  ASSERT_TRUE(iterated) << iterated.error().message;
  EXPECT_EQ(iterated->state, workflow::IterateState::completed) << iterated->reason;
  EXPECT_EQ(types(run()), before);
}

INSTANTIATE_TEST_SUITE_P(Histories, Recorded,
                         ::testing::Values("drift", "release", "ship", "survey"),
                         [](auto const& each) { return each.param; });

}  // namespace
}  // namespace drover::harness
