#include "worker/definitions.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include "os/files.h"
#include "store/scratch.h"
#include "worker/audit.h"

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
        : writer(migrated(scratch), loop.get_executor()), registry(writer, clock) {}
    static store::Database migrated(store::Scratch const& scratch) {
      auto database = scratch.open();
      auto all = TaskRegistry::migrations();
      auto const shared = definition_migrations();
      all.insert(all.end(), shared.begin(), shared.end());
      EXPECT_TRUE(store::migrate(database, all));
      return database;
    }
    Status load(store::Scratch const& scratch, std::string const& folder) {
      auto reader = scratch.open(store::OpenMode::reader);
      return registry.load(reader, folder);
    }
    Result<RegisteredTask> put(std::string_view text, std::optional<std::int64_t> revision = {}) {
      auto const put = store::finish(loop, registry.put(type_of(text), {revision, "user:ann"}));
      if (!put) return std::unexpected(put.error());
      return put->definition;
    }
    Status remove(std::string name, std::optional<std::int64_t> revision = {}) {
      return store::finish(loop, registry.remove(std::move(name), {revision, "user:bob"}));
    }
    boost::asio::io_context loop;
    ManualClock clock;
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
  ASSERT_TRUE(open.remove("pr-review"));
  EXPECT_EQ(open.registry.find("pr-review")->origin, Origin::built_in);
  EXPECT_EQ(open.remove("pr-review").error().code, ErrorCode::conflict) << "it is built in";
  EXPECT_EQ(open.remove("weekly").error().code, ErrorCode::not_found);
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

TEST_F(Registry, AStaleWriteIsToldBothRevisions) {
  Open open{scratch_};
  ASSERT_TRUE(open.load(scratch_, ""));
  ASSERT_TRUE(open.put(R"({"name": "a"})"));
  ASSERT_TRUE(open.put(R"({"name": "a", "pool": "b"})"));
  for (Status const& stale :
       {open.remove("a", 7), Status{std::unexpected(open.put(R"({"name": "a"})", 7).error())}}) {
    ASSERT_FALSE(stale);
    EXPECT_EQ(stale.error().code, ErrorCode::conflict);
    EXPECT_THAT(stale.error().message, HasSubstr("revision 2, not 7"));
  }
  EXPECT_TRUE(open.remove("a", 2));
  auto const gone = open.put(R"({"name": "a"})", 2);
  ASSERT_FALSE(gone);
  EXPECT_THAT(gone.error().message, HasSubstr("not stored, which is revision 0, not 2"));
}

// Whoever read the first one must not write over the second, however alike their histories are.
TEST_F(Registry, ANameMadeAnewGoesOnAboveWhatWasDeleted) {
  {
    Open open{scratch_};
    ASSERT_TRUE(open.load(scratch_, ""));
    EXPECT_EQ(open.put(R"({"name": "a"})")->revision, 1);
    EXPECT_EQ(open.put(R"({"name": "a", "pool": "b"})")->revision, 2);
    ASSERT_TRUE(open.remove("a"));
    EXPECT_EQ(open.put(R"({"name": "b"})")->revision, 3);
    ASSERT_TRUE(open.remove("b"));
  }
  Open open{scratch_};
  ASSERT_TRUE(open.load(scratch_, ""));
  EXPECT_EQ(open.put(R"({"name": "a"})", 0)->revision, 4) << "over a restart, too";
  for (std::int64_t const stale : {1, 2, 3}) {
    EXPECT_FALSE(open.put(R"({"name": "a", "pool": "c"})", stale)) << stale;
    EXPECT_FALSE(open.remove("a", stale)) << stale;
  }
}

TEST_F(Registry, EachListenerIsToldTheNameOnceItHolds) {
  Open open{scratch_};
  ASSERT_TRUE(open.load(scratch_, ""));
  std::vector<std::string> heard;
  for (char const* const who : {"first", "second"})
    open.registry.on_change([&, who](std::string const& name, DefinitionAct act) {
      bool const holds = open.registry.find(name).has_value();
      heard.push_back(std::string{who} + " " + name +
                      (act == DefinitionAct::put ? " put" : " removed") +
                      (holds ? " there" : " gone"));
    });
  ASSERT_TRUE(open.put(R"({"name": "a"})"));
  EXPECT_FALSE(open.put(R"({"name": "a", "pool": "b"})", 5));
  EXPECT_EQ(open.put(R"({"name": "a"})")->revision, 1) << "it is that already";
  ASSERT_TRUE(open.remove("a"));
  EXPECT_THAT(heard, ::testing::ElementsAre("first a put there", "second a put there",
                                            "first a removed gone", "second a removed gone"));
}

TEST_F(Registry, WhoChangedWhatIsWrittenWithTheChange) {
  Open open{scratch_};
  ASSERT_TRUE(open.load(scratch_, ""));
  open.clock.advance(Millis{5000});
  ASSERT_TRUE(open.put(R"({"name": "a", "pool": "b"})"));
  ASSERT_TRUE(open.put(R"({"name": "a", "pool": "c"})"));
  EXPECT_FALSE(open.put(R"({"name": "a", "pool": "d"})", 1));
  ASSERT_TRUE(open.put(R"({"name": "a", "pool": "c"})"));
  ASSERT_TRUE(open.put(R"({"name": "chat", "pool": "large"})"));
  ASSERT_TRUE(open.remove("a"));
  auto reader = scratch_.open(store::OpenMode::reader);
  AuditFilter filter;
  auto const entries = list_audit(reader, filter);
  ASSERT_TRUE(entries);
  std::vector<std::string> told;
  for (AuditEntry const& entry : *entries) {
    told.push_back(fmt::format("{} {} {} {} {}", entry.kind, entry.name, to_string(entry.action),
                               entry.revision, entry.actor));
    EXPECT_EQ(entry.at, open.clock.now());
  }
  EXPECT_THAT(told, ::testing::ElementsAre(
                        "task_type a deleted 2 user:bob", "task_type chat changed 1 user:ann",
                        "task_type a changed 2 user:ann", "task_type a created 1 user:ann"));
  JsonDifference const pool{"/pool", "b", "c"};
  EXPECT_THAT(entries->at(2).changes, ::testing::ElementsAre(pool));
  EXPECT_THAT(entries->at(1).changes,
              ::testing::Contains(::testing::Field(&JsonDifference::after, json::value("large"))))
      << "what it changes of the built-in one";
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
