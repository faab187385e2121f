#include "worker/pool_book.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "os/files.h"
#include "store/scratch.h"

namespace drover::worker {
namespace {

Pools some_pools() {
  auto pools = parse_pools(json::parse(R"({"pools": {
    "gpu": {"mode": "job", "task_types": ["train"], "labels": {"gpu": "a100"}},
    "large": {"labels": {"gpu": "a100"}},
    "small": {"mode": "daemon"}}})"));
  EXPECT_TRUE(pools) << pools.error().text();
  return *pools;
}

WorkerCard card(std::vector<std::string> pools) {
  WorkerCard made;
  made.id = WorkerId::trusted("wrk-1");
  made.slots = 8;
  made.filter.pools = std::move(pools);
  return made;
}

TEST(PoolBook, AWorkerThatSaysNothingIsAsItsPoolSays) {
  auto const made = completed(card({"gpu"}), some_pools()).value();
  EXPECT_EQ(made.mode, "job");
  EXPECT_EQ(made.slots, 1U);
  EXPECT_EQ(made.filter.task_types, std::vector<std::string>{"train"});
  EXPECT_EQ(made.filter.labels, (broker::Labels{{"gpu", "a100"}}));
}

TEST(PoolBook, EachThingThatAWorkerSaysStandsBeforeItsPools) {
  WorkerCard own = card({"gpu"});
  own.mode = "daemon";
  auto made = completed(own, some_pools()).value();
  EXPECT_EQ(made.mode, "daemon");
  EXPECT_EQ(made.slots, 8U);
  EXPECT_EQ(made.filter.task_types, std::vector<std::string>{"train"});
  own.filter.task_types = {"other"};
  own.filter.labels = {{"zone", "eu"}};
  made = completed(own, some_pools()).value();
  EXPECT_EQ(made.filter.task_types, std::vector<std::string>{"other"});
  EXPECT_EQ(made.filter.labels, (broker::Labels{{"zone", "eu"}})) << "in place of, not beside";
}

TEST(PoolBook, WithoutAPoolThatSaysSomethingItIsADaemonForAll) {
  for (std::vector<std::string> const& pools :
       {std::vector<std::string>{}, std::vector<std::string>{"unknown"}}) {
    auto const made = completed(card(pools), some_pools()).value();
    EXPECT_EQ(made.mode, "daemon");
    EXPECT_TRUE(made.filter.task_types.empty());
    EXPECT_TRUE(made.filter.labels.empty());
  }
}

TEST(PoolBook, PoolsThatDisagreeAreRefusedAndWhatTheyAgreeOnHolds) {
  auto const refused = completed(card({"gpu", "small"}), some_pools());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
  EXPECT_NE(refused.error().text().find("--mode"), std::string::npos) << refused.error().text();
  WorkerCard own = card({"gpu", "small"});
  own.mode = "job";
  EXPECT_TRUE(completed(own, some_pools()));
  EXPECT_EQ(completed(card({"large", "gpu"}), some_pools())->filter.labels,
            (broker::Labels{{"gpu", "a100"}}));
}

TEST(PoolBook, IsReadFromAFileWhoseMistakesAreNamed) {
  store::Scratch const scratch;
  PoolBook book;
  EXPECT_TRUE(book.load(scratch.path(".")));
  EXPECT_TRUE(book.pools().empty());
  ASSERT_TRUE(os::write_file_atomic(scratch.path("pools.toml"),
                                    "[pools.gpu]\nmode = \"job\"\nlabels = {gpu = \"a100\"}\n"));
  ASSERT_TRUE(book.load(scratch.path(".")));
  EXPECT_EQ(book.pools().at("gpu").mode, WorkerMode::job);
  EXPECT_EQ(book.pools().at("gpu").labels.at("gpu"), "a100");
  ASSERT_TRUE(os::write_file_atomic(scratch.path("pools.json"), "{}"));
  EXPECT_EQ(book.load(scratch.path(".")).error().code, ErrorCode::conflict);
  ASSERT_TRUE(os::write_file_atomic(scratch.path("pools.toml"), "[pools.gpu]\nslots = 3\n"));
  ASSERT_TRUE(os::remove_tree(scratch.path("pools.json")));
  auto const mistake = book.load(scratch.path("."));
  ASSERT_FALSE(mistake);
  EXPECT_NE(mistake.error().message.find("pools.toml: /pools/gpu/slots"), std::string::npos)
      << mistake.error().message;
}

}  // namespace
}  // namespace drover::worker
