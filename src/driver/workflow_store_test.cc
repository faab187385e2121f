#include "driver/workflow_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "store/scratch.h"

namespace drover::driver {
namespace {

using ::testing::ElementsAre;

class WorkflowStore : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(store::migrate(database_, workflow_migrations())); }
  void insert(std::string const& id, WorkflowState state = WorkflowState::running) {
    WorkflowRecord record;
    record.id = id;
    record.folder = "/runs/" + id;
    record.state = state;
    record.agent = json::object{{"model", "m"}};
    ASSERT_TRUE(insert_workflow(database_, record));
  }
  static std::vector<std::string> ids(Result<std::vector<WorkflowRecord>> const& records) {
    std::vector<std::string> ids;
    for (auto const& record : *records)
      ids.push_back(record.id);
    return ids;
  }
  store::Scratch scratch_;
  store::Database database_{scratch_.open()};
};

TEST_F(WorkflowStore, AnIdIsOneRunForEver) {
  insert("a");
  WorkflowRecord again;
  again.id = "a";
  EXPECT_EQ(insert_workflow(database_, again).error().code, ErrorCode::conflict);
  auto const found = find_workflow(database_, "a");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->folder, "/runs/a");
  EXPECT_EQ(json::serialize(found->agent), R"({"model":"m"})");
  EXPECT_EQ(find_workflow(database_, "b").error().code, ErrorCode::not_found);
}

TEST_F(WorkflowStore, WhatHasNotEndedIsFoundInItsOrder) {
  insert("z");
  insert("b", WorkflowState::completed);
  insert("a", WorkflowState::blocked);
  insert("c", WorkflowState::cancelled);
  EXPECT_THAT(ids(unfinished_workflows(database_)), ElementsAre("z", "a"));
  auto record = *find_workflow(database_, "z");
  record.state = WorkflowState::failed;
  record.reason = "why";
  ASSERT_TRUE(update_workflow(database_, record));
  EXPECT_THAT(ids(unfinished_workflows(database_)), ElementsAre("a"));
  EXPECT_EQ(find_workflow(database_, "z")->reason, "why");
}

TEST_F(WorkflowStore, PagesAreOfTheNewestFirst) {
  for (auto const* const id : {"c", "a", "b"})
    insert(id);
  WorkflowFilter filter;
  filter.most = 2;
  EXPECT_THAT(ids(list_workflows(database_, filter)), ElementsAre("b", "a"));
  filter.before = "a";
  EXPECT_THAT(ids(list_workflows(database_, filter)), ElementsAre("c"));
  filter = {};
  filter.state = WorkflowState::failed;
  EXPECT_THAT(ids(list_workflows(database_, filter)), ElementsAre());
}

}  // namespace
}  // namespace drover::driver
