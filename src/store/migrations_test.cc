#include "store/migrations.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "store/scratch.h"

namespace drover::store {
namespace {

constexpr Migration kRuns1{"runs", 1, "runs", "CREATE TABLE runs(id TEXT) STRICT"};
constexpr Migration kRuns2{"runs", 2, "state",
                           "ALTER TABLE runs ADD COLUMN state TEXT NOT NULL DEFAULT 'queued'"};
constexpr Migration kOther1{"other", 1, "two tables", "CREATE TABLE one(n); CREATE TABLE two(n);"};

TEST(Migrations, ApplyOnceAndForward) {
  Scratch scratch;
  auto database = scratch.open();
  ASSERT_TRUE(migrate(database, std::array{kRuns1}));
  ASSERT_TRUE(database.run("INSERT INTO runs VALUES('old')"));
  std::array const newer{kRuns1, kOther1, kRuns2};
  ASSERT_TRUE(migrate(database, newer));
  ASSERT_TRUE(migrate(database, newer));
  EXPECT_EQ(read_integer(database, "SELECT count(*) FROM runs WHERE state='queued'"), 1);
  EXPECT_EQ(read_integer(database, "SELECT count(*) FROM schema_migrations"), 3);
  EXPECT_EQ(read_integer(database, "PRAGMA user_version"), 3);
}

TEST(Migrations, ABrokenOneLeavesNothingBehind) {
  Scratch scratch;
  auto database = scratch.open();
  std::array const broken{kRuns1, kOther1,
                          Migration{"other", 2, "broken", "CREATE TABLE three(n); NONSENSE"}};
  auto const done = migrate(database, broken);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("other 2 (broken)"), std::string::npos);
  EXPECT_FALSE(database.in_transaction());
  EXPECT_EQ(read_integer(database, "SELECT count(*) FROM sqlite_master"), 0);
}

TEST(Migrations, ANewerFileIsRefusedUntouched) {
  Scratch scratch;
  auto database = scratch.open();
  ASSERT_TRUE(migrate(database, std::array{kRuns1, kRuns2}));
  auto const older = migrate(database, std::array{kRuns1, kOther1});
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::conflict);
  EXPECT_NE(older.error().message.find("runs version 2"), std::string::npos);
  EXPECT_EQ(read_integer(database, "SELECT count(*) FROM sqlite_master WHERE name='one'"), 0);
  // A whole domain that this program has never heard of is just as new.
  EXPECT_FALSE(migrate(database, std::array{kOther1}));
}

}  // namespace
}  // namespace drover::store
