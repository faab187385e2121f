#include "worker/definitions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include "os/files.h"
#include "store/scratch.h"

namespace drover::worker {
namespace {

using ::testing::HasSubstr;

contract::TaskType type_of(std::string_view text) {
  return contract::parse_task_type(text).value();
}

class Registry : public ::testing::Test {
 protected:
  struct Open {
    explicit Open(store::Scratch const& scratch)
        : writer(migrated(scratch), loop.get_executor()), registry(writer) {}
    static store::Database migrated(store::Scratch const& scratch) {
      auto database = scratch.open();
      EXPECT_TRUE(store::migrate(database, TaskRegistry::migrations()));
      return database;
    }
    Status load(store::Scratch const& scratch, std::string const& folder) {
      auto reader = scratch.open(store::OpenMode::reader);
      return registry.load(reader, folder);
    }
    Result<RegisteredTask> put(std::string_view text, std::optional<std::int64_t> revision = {}) {
      return store::finish(loop, registry.put(type_of(text), revision));
    }
    boost::asio::io_context loop;
    store::Writer writer;
    TaskRegistry registry;
  };

  std::string folder_with(std::string const& name, std::string const& text) {
    std::string const folder = scratch_.path("types");
    EXPECT_TRUE(os::make_folders(folder));
    EXPECT_TRUE(os::write_file_atomic(folder + "/" + name, text));
    return folder;
  }

  store::Scratch scratch_;
};

TEST_F(Registry, HasTheBuiltInTypesAndSaysWhatThereIs) {
  Open open{scratch_};
  ASSERT_TRUE(open.load(scratch_, scratch_.path("none")));
  EXPECT_TRUE(open.registry.find("pr-review"));
  auto const missing = open.registry.find("pr-reviews");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(missing.error().text(), HasSubstr("pr-review,"));
}

TEST_F(Registry, WhatTheApiStoredOutlivesTheServer) {
  {
    Open open{scratch_};
    ASSERT_TRUE(open.load(scratch_, ""));
    ASSERT_TRUE(open.put(R"({"name": "nightly", "pool": "large"})"));
    ASSERT_TRUE(open.put(R"({"name": "pr-review", "pool": "large"})"));
  }
  Open open{scratch_};
  ASSERT_TRUE(open.load(scratch_, ""));
  EXPECT_EQ(open.registry.find("nightly")->spec.pool, "large");
  EXPECT_EQ(open.registry.find("pr-review")->spec.pool, "large");
  ASSERT_TRUE(store::finish(open.loop, open.registry.remove("pr-review")));
  EXPECT_EQ(open.registry.find("pr-review")->origin, Origin::built_in);
  EXPECT_EQ(store::finish(open.loop, open.registry.remove("pr-review")).error().code,
            ErrorCode::conflict)
      << "it is built in";
  EXPECT_EQ(store::finish(open.loop, open.registry.remove("weekly")).error().code,
            ErrorCode::not_found);
}

TEST_F(Registry, AStaleChangeIsRefused) {
  Open open{scratch_};
  ASSERT_TRUE(open.load(scratch_, ""));
  EXPECT_EQ(open.put(R"({"name": "a"})", 0)->revision, 1);
  EXPECT_EQ(open.put(R"({"name": "a", "pool": "b"})", 1)->revision, 2);
  auto const stale = open.put(R"({"name": "a", "pool": "c"})", 1);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, ErrorCode::conflict);
  EXPECT_FALSE(open.put(R"({"name": "a"})", 0));
  EXPECT_EQ(open.registry.find("a")->spec.pool, "b");
}

TEST_F(Registry, AFileStandsBeforeEverythingElse) {
  auto const folder = folder_with("review.toml", "name = \"pr-review\"\npool = \"from-file\"\n");
  Open open{scratch_};
  ASSERT_TRUE(open.load(scratch_, folder));
  auto const found = open.registry.find("pr-review");
  EXPECT_EQ(found->spec.pool, "from-file");
  EXPECT_EQ(found->origin, Origin::file);
  auto const put = open.put(R"({"name": "pr-review"})");
  ASSERT_FALSE(put);
  EXPECT_THAT(put.error().text(), HasSubstr("review.toml"));
}

TEST_F(Registry, AFileThatCannotBeReadIsNamedWithThePlace) {
  for (auto const& [text, place] :
       {std::pair{"name = = 1\n", "line 1"}, std::pair{"name = \"a\"\nretry = 3\n", "/retry"}}) {
    Open open{scratch_};
    auto const loaded = open.load(scratch_, folder_with("bad.toml", text));
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().text(), HasSubstr("bad.toml"));
    EXPECT_THAT(loaded.error().text(), HasSubstr(place));
  }
}

TEST_F(Registry, TwoFilesForOneTypeAreAnError) {
  folder_with("a.toml", "name = \"nightly\"\n");
  auto const folder = folder_with("b.json", R"({"name": "nightly"})");
  Open open{scratch_};
  auto const loaded = open.load(scratch_, folder);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().text(), HasSubstr("a.toml"));
  EXPECT_THAT(loaded.error().text(), HasSubstr("b.json"));
}

}  // namespace
}  // namespace drover::worker
