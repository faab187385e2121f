#include "store/database.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "store/scratch.h"

namespace drover::store {
namespace {

TEST(Database, ReadsBackEveryTypeAsItWasBound) {
  Scratch scratch;
  auto database = scratch.open();
  ASSERT_TRUE(database.execute("CREATE TABLE t(i, d, s, e, b, n, o)"));
  std::string const with_nul{"a\0b", 3};
  ASSERT_TRUE(database.run("INSERT INTO t VALUES(?, ?, ?, ?, ?, ?, ?)",
                           std::numeric_limits<std::int64_t>::min(), 0.25, with_nul,
                           std::string_view{}, Blob{"\xff\x00"}, nullptr,
                           std::optional<std::string>{"there"}));
  auto row = database.query("SELECT * FROM t");
  ASSERT_TRUE(row);
  ASSERT_TRUE(row->step().value());
  EXPECT_EQ(row->integer(0), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(row->real(1), 0.25);
  EXPECT_EQ(row->text(2), with_nul);
  EXPECT_EQ(row->text(3), "");
  EXPECT_FALSE(row->is_null(3));
  EXPECT_EQ(row->blob(4), "\xff");
  EXPECT_TRUE(row->is_null(5));
  EXPECT_EQ(row->text(6), "there");
  EXPECT_FALSE(row->step().value());
}

TEST(Database, SameStatementTwiceAtOnceAreTwoCursors) {
  Scratch scratch;
  auto database = scratch.open();
  ASSERT_TRUE(database.execute("CREATE TABLE t(n); INSERT INTO t VALUES(1),(2)"));
  auto outer = database.query("SELECT n FROM t ORDER BY n");
  ASSERT_TRUE(outer->step().value());
  {
    auto inner = database.query("SELECT n FROM t ORDER BY n");
    ASSERT_TRUE(inner->step().value());
    EXPECT_EQ(inner->integer(0), 1);
  }
  ASSERT_TRUE(outer->step().value());
  EXPECT_EQ(outer->integer(0), 2);
}

TEST(Database, ACopyIsWhatItsConnectionSeesAndTheWriterGoesOn) {
  Scratch scratch;
  auto writer = scratch.open();
  ASSERT_TRUE(writer.execute("CREATE TABLE t(n); INSERT INTO t VALUES(1)"));
  auto reader = scratch.open(OpenMode::reader);
  ASSERT_TRUE(reader.run("BEGIN"));
  EXPECT_EQ(read_integer(reader, "SELECT count(*) FROM t"), 1);
  ASSERT_TRUE(writer.execute("INSERT INTO t VALUES(2)"));
  std::string const path = scratch.path("copy.db");
  ASSERT_TRUE(reader.copy_to(path));
  ASSERT_TRUE(writer.execute("INSERT INTO t VALUES(3)"));
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  auto copy = Database::open(path, OpenMode::writer);
  ASSERT_TRUE(copy) << copy.error().text();
  EXPECT_EQ(read_integer(*copy, "SELECT sum(n) FROM t"), 1);
  EXPECT_EQ(read_integer(writer, "SELECT sum(n) FROM t"), 6);
  auto const again = reader.copy_to(path);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::conflict) << again.error().text();
}

TEST(Database, AConstraintIsAConflictThatNamesTheColumn) {
  Scratch scratch;
  auto database = scratch.open();
  ASSERT_TRUE(database.execute("CREATE TABLE runs(id TEXT PRIMARY KEY) STRICT"));
  ASSERT_TRUE(database.run("INSERT INTO runs VALUES(?)", "a"));
  auto const twice = database.run("INSERT INTO runs VALUES(?)", "a");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, ErrorCode::conflict);
  EXPECT_NE(twice.error().message.find("runs.id"), std::string::npos) << twice.error().message;
}

TEST(Database, BadSqlAndMissingParameterAreErrors) {
  Scratch scratch;
  auto database = scratch.open();
  EXPECT_FALSE(database.prepare("SELEC 1"));
  auto const beyond = database.run("SELECT ?1", 1, 2);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::internal);
}

TEST(Database, ForeignKeysHold) {
  Scratch scratch;
  auto database = scratch.open();
  ASSERT_TRUE(database.execute(
      "CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(a INTEGER REFERENCES a(id))"));
  EXPECT_EQ(database.run("INSERT INTO b VALUES(7)").error().code, ErrorCode::conflict);
}

TEST(Database, IsPrivateToItsOwner) {
  Scratch scratch;
  auto database = scratch.open();
  ASSERT_TRUE(database.execute("CREATE TABLE t(n)"));
  for (std::string const suffix : {"", "-wal"}) {
    struct stat info{};
    ASSERT_EQ(::stat((scratch.path() + suffix).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U) << suffix;
  }
}

TEST(Database, OneWriterAtATime) {
  Scratch scratch;
  auto first = std::make_optional(scratch.open());
  auto const second = Database::open(scratch.path(), OpenMode::writer);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  first.reset();
  EXPECT_TRUE(Database::open(scratch.path(), OpenMode::writer));
}

TEST(Database, AReaderCannotWriteAndNeedsAFile) {
  Scratch scratch;
  auto const missing = Database::open(scratch.path(), OpenMode::reader);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found) << missing.error().text();
  auto writer = scratch.open();
  ASSERT_TRUE(writer.execute("CREATE TABLE t(n)"));
  auto reader = scratch.open(OpenMode::reader);
  auto const refused = reader.run("INSERT INTO t VALUES(1)");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::forbidden);
}

TEST(Database, RefusesAFileOfAnotherProgram) {
  Scratch scratch;
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(scratch.path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "CREATE TABLE theirs(n)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  auto const opened = Database::open(scratch.path(), OpenMode::writer);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::invalid_argument);

  std::ofstream{scratch.path("text")} << std::string(4096, 'x');
  auto const text = Database::open(scratch.path("text"), OpenMode::writer);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::data_corrupt);
  EXPECT_FALSE(text.error().next.empty());
}

TEST(Database, AFullDiskIsNoSpaceAndTheFileGoesOn) {
  Scratch scratch;
  auto database = scratch.open();
  ASSERT_TRUE(database.execute("CREATE TABLE t(s)"));
  ASSERT_TRUE(database.execute("PRAGMA max_page_count=8"));
  auto const full = database.run("INSERT INTO t VALUES(?)", std::string(200'000, 'x'));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::no_space);
  EXPECT_TRUE(database.run("INSERT INTO t VALUES(?)", "small"));
}

// Writes rows and leaves without closing, as a crash does.
void write_and_die(std::string const& path) {
  pid_t const child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto database = Database::open(path, OpenMode::writer);
    if (!database) ::_exit(1);
    if (!database->execute("CREATE TABLE t(s)")) ::_exit(2);
    for (int row = 0; row < 200; ++row)
      if (!database->run("INSERT INTO t VALUES(?)", std::string(1000, 'x'))) ::_exit(3);
    if (!database->checkpoint()) ::_exit(4);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
}

TEST(Database, AfterAnUncleanEndItIsCheckedAndWhole) {
  Scratch scratch;
  write_and_die(scratch.path());
  ASSERT_TRUE(os::exists(scratch.path() + "-wal"));
  {
    auto database = scratch.open();
    EXPECT_EQ(read_integer(database, "SELECT count(*) FROM t"), 200);
  }
  EXPECT_FALSE(os::exists(scratch.path() + "-wal")) << "a clean close leaves no log";
}

TEST(Database, DamageAfterAnUncleanEndIsFoundAtOpen) {
  Scratch scratch;
  write_and_die(scratch.path());
  // The log still has every page and would heal the file: only damage is to be left.
  ASSERT_EQ(::truncate((scratch.path() + "-wal").c_str(), 32), 0);
  int const fd = ::open(scratch.path().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  std::string const garbage(8192, '\x5a');
  ASSERT_EQ(::pwrite(fd, garbage.data(), garbage.size(), 4096), 8192);
  ::close(fd);
  auto const opened = Database::open(scratch.path(), OpenMode::writer);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::data_corrupt) << opened.error().text();
  EXPECT_NE(opened.error().next.find("restore"), std::string::npos);
  // Refusing it is no clean close, behind which nothing would be checked.
  auto const again = Database::open(scratch.path(), OpenMode::writer);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::data_corrupt) << again.error().text();
}

}  // namespace
}  // namespace drover::store
