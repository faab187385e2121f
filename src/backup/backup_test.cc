// A state folder there and back, and what of it stops a restore before anything is changed.
#include "backup/backup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "backup/restore.h"
#include "backup/testing.h"

namespace drover::backup {
namespace {

namespace fs = std::filesystem;

constexpr std::array kMigrations = {
    store::Migration{"worker", 1, "runs", "CREATE TABLE runs(id INTEGER PRIMARY KEY, text TEXT)"},
};

class BackupTest : public ::testing::Test {
 protected:
  std::string root() const { return folder_.path(); }
  std::string state() const { return root() + "/state"; }
  std::string file() const { return root() + "/backup.tar.zst"; }
  Compatibility known() const { return {"0.1.0", store::known_versions(kMigrations)}; }

  // A state folder as a server leaves it, with `runs` runs.
  void make_state(int runs, std::string const& token = "token-of-the-state") const {
    fs::create_directories(state() + "/sessions/ses-1");
    fs::create_directories(state() + "/units/u1");
    ASSERT_EQ(::chmod(state().c_str(), 0700), 0);
    testing::write(state() + "/api-token", token, 0600);
    testing::write(state() + "/server.log", "a log");
    testing::write(state() + "/sessions/ses-1/session", "{}");
    fs::create_directory(state() + "/sessions/ses-1/locked");
    testing::write(state() + "/sessions/ses-1/locked/file", "x");
    ASSERT_EQ(::chmod((state() + "/sessions/ses-1/locked").c_str(), 0500), 0);
    auto database = open_store();
    for (int i = 0; i < runs; ++i)
      ASSERT_TRUE(database.run("INSERT INTO runs(text) VALUES(?)", std::string(200, 'r')));
  }
  store::Database open_store() const {
    auto database = store::Database::open(state() + "/drover.db", store::OpenMode::writer);
    if (!database) throw std::runtime_error(database.error().text());
    if (auto const done = store::migrate(*database, kMigrations); !done)
      throw std::runtime_error(done.error().text());
    return *std::move(database);
  }
  Result<Archive> back_up_here() const {
    return back_up({.state_folder = state(), .file = file(), .known = known()}, clock_);
  }
  Result<Restored> restore_here(Occupied occupied = Occupied::refuse) const {
    return restore(
        {.file = file(), .state_folder = state(), .occupied = occupied, .known = known()}, clock_);
  }
  std::int64_t runs_in(std::string const& folder) const {
    auto database = store::Database::open(folder + "/drover.db", store::OpenMode::reader);
    if (!database) return -1;
    auto rows = count_of(*database);
    return rows;
  }
  static std::int64_t count_of(store::Database& database) {
    auto row = database.query("SELECT count(*) FROM runs");
    return row && row->step().value_or(false) ? row->integer(0) : -1;
  }
  // All that is below the root, but for the state folder's own content.
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (auto const& one : fs::directory_iterator(root()))
      all.push_back(one.path().filename().string());
    std::ranges::sort(all);
    return all;
  }

  SystemClock clock_;
  OwnFolder folder_ = testing::temporary_folder();
};

TEST_F(BackupTest, ThereAndBackIsTheSameStateWithoutWhatARunningServerHas) {
  make_state(3);
  auto const made = back_up_here();
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->manifest.rows.at("runs"), 3);
  EXPECT_EQ(made->bytes, fs::file_size(file()));
  struct stat info{};
  ASSERT_EQ(::stat(file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  EXPECT_EQ(names(), (std::vector<std::string>{"backup.tar.zst", "state"}));

  fs::rename(state(), root() + "/old");
  auto const restored = restore_here();
  ASSERT_TRUE(restored) << restored.error().text();
  EXPECT_EQ(restored->moved_aside, "");
  EXPECT_EQ(runs_in(state()), 3);
  EXPECT_EQ(testing::read(state() + "/api-token"), "token-of-the-state");
  EXPECT_EQ(testing::read(state() + "/sessions/ses-1/session"), "{}");
  EXPECT_EQ(testing::read(state() + "/sessions/ses-1/locked/file"), "x");
  ASSERT_EQ(::stat(state().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0700U);
  ASSERT_EQ(::stat((state() + "/api-token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  ASSERT_EQ(::stat((state() + "/sessions/ses-1/locked").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0500U);
  for (std::string_view const gone : {"/server.log", "/units", "/drover.db.lock"})
    EXPECT_FALSE(os::exists(state() + std::string{gone})) << gone;
  auto database = open_store();  // a server's next start
  EXPECT_EQ(count_of(database), 3);
}

// Each of many commits is in the copy or not; none is in part, and the writer goes on.
TEST_F(BackupTest, TheStoreIsOfOneMomentWhileItsWriterWorks) {
  make_state(0);
  auto database = open_store();
  std::atomic<bool> done{false};
  std::atomic<std::int64_t> committed{0};
  std::jthread writer{[&] {
    while (!done) {
      bool const ok = database.execute("BEGIN IMMEDIATE") &&
                      database.run("INSERT INTO runs(text) VALUES('left')") &&
                      database.run("INSERT INTO runs(text) VALUES('right')") &&
                      database.execute("COMMIT");
      ASSERT_TRUE(ok);
      committed += 2;
    }
  }};
  std::int64_t meanwhile = 0;
  for (int round = 0; round < 5 || (meanwhile == 0 && round < 100); ++round) {
    std::int64_t const before = committed;
    auto const made = back_up_here();
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_GE(made->manifest.rows.at("runs"), before) << "what was committed is in it";
    EXPECT_EQ(made->manifest.rows.at("runs") % 2, 0);
    meanwhile += committed - before;
  }
  EXPECT_GT(meanwhile, 0) << "the writer goes on";
  done = true;
}

TEST_F(BackupTest, AKilledServersLogIsInTheCopy) {
  make_state(1);
  pid_t const child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto database = open_store();
    (void)database.run("INSERT INTO runs(text) VALUES('in the log only')");
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_GT(fs::file_size(state() + "/drover.db-wal"), 0U);
  auto const made = back_up_here();
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->manifest.rows.at("runs"), 2);
}

TEST_F(BackupTest, AStoreThatTheUserLinkedElsewhereIsCopiedAsAFile) {
  make_state(3);
  fs::rename(state() + "/drover.db", root() + "/elsewhere.db");
  fs::create_symlink(root() + "/elsewhere.db", state() + "/drover.db");
  auto const made = back_up_here();
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->manifest.rows.at("runs"), 3);
}

TEST_F(BackupTest, WhatIsNoStateIsRefusedAndLeavesNothing) {
  auto const nothing = back_up_here();
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::not_found);
  make_state(1);
  auto const inside = back_up(
      {.state_folder = state(), .file = state() + "/sessions/b.tar.zst", .known = known()}, clock_);
  ASSERT_FALSE(inside);
  EXPECT_TRUE(inside.error().message.contains("inside the state folder"));
  auto const older =
      back_up({.state_folder = state(), .file = file(), .known = {"0.1.0", {}}}, clock_);
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::conflict);
  EXPECT_EQ(names(), (std::vector<std::string>{"state"}));
}

TEST_F(BackupTest, AnInterruptLeavesTheOldBackupAndNothingElse) {
  make_state(1);
  testing::write(file(), "the backup of yesterday");
  std::atomic<bool> const abort{true};
  auto const made =
      back_up({.state_folder = state(), .file = file(), .known = known(), .abort = &abort}, clock_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::cancelled);
  EXPECT_EQ(testing::read(file()), "the backup of yesterday");
  EXPECT_EQ(names(), (std::vector<std::string>{"backup.tar.zst", "state"}));
}

TEST_F(BackupTest, AnOccupiedFolderStaysUnlessItIsToBeReplaced) {
  make_state(2);
  ASSERT_TRUE(back_up_here());
  testing::write(state() + "/api-token", "token of now", 0600);
  auto const refused = restore_here();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
  EXPECT_TRUE(refused.error().text().contains("--replace"));
  EXPECT_EQ(testing::read(state() + "/api-token"), "token of now");

  auto const restored = restore_here(Occupied::replace);
  ASSERT_TRUE(restored) << restored.error().text();
  EXPECT_EQ(testing::read(state() + "/api-token"), "token-of-the-state");
  EXPECT_TRUE(restored->moved_aside.starts_with(state() + ".before-restore-"));
  EXPECT_EQ(testing::read(restored->moved_aside + "/api-token"), "token of now");
  EXPECT_EQ(runs_in(restored->moved_aside), 2);
}

// Otherwise nobody would ever end the units of a server that was killed.
TEST_F(BackupTest, RecordsOfUnitsThatMayStillRunAreKept) {
  make_state(1);
  fs::create_directory(state() + "/workloads");
  testing::write(state() + "/workloads/of-the-backup.json", "{}");
  ASSERT_TRUE(back_up_here());
  fs::remove(state() + "/workloads/of-the-backup.json");
  testing::write(state() + "/workloads/of-now.json", "{\"pid\":7}");
  auto const restored = restore_here(Occupied::replace);
  ASSERT_TRUE(restored) << restored.error().text();
  EXPECT_EQ(testing::read(state() + "/workloads/of-now.json"), "{\"pid\":7}");
  EXPECT_FALSE(os::exists(state() + "/workloads/of-the-backup.json"));
}

TEST_F(BackupTest, AnEmptyFolderAndALinkToOneAreFilled) {
  make_state(2);
  ASSERT_TRUE(back_up_here());
  fs::rename(state(), root() + "/old");
  fs::create_directory(root() + "/disk");
  fs::create_directory_symlink(root() + "/disk", state());
  ASSERT_TRUE(restore_here());
  EXPECT_TRUE(fs::is_symlink(state()));
  EXPECT_EQ(runs_in(root() + "/disk"), 2);
}

TEST_F(BackupTest, AServerThatRunsIsLeftAlone) {
  make_state(1);
  ASSERT_TRUE(back_up_here());
  auto const lock = os::FileLock::acquire(state() + "/server.lock");
  ASSERT_TRUE(lock);
  auto const before = names();
  for (Occupied const occupied : {Occupied::refuse, Occupied::replace}) {
    auto const refused = restore_here(occupied);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    EXPECT_TRUE(refused.error().text().contains("drover down")) << refused.error().text();
  }
  EXPECT_EQ(names(), before);
  EXPECT_TRUE(back_up_here()) << "a backup is taken while it runs";
}

TEST_F(BackupTest, ABrokenArchiveChangesNothing) {
  make_state(20);
  ASSERT_TRUE(back_up_here());
  std::string const whole = testing::read(file());
  auto const before = names();
  for (int part = 0; part < 40; ++part) {
    std::string broken = whole;
    std::size_t const at = whole.size() * static_cast<std::size_t>(part) / 40;
    if (part % 2 == 0)
      broken.resize(at);
    else
      broken[at] = static_cast<char>(broken[at] ^ 0x10);
    testing::write(file(), broken);
    auto const refused = restore_here(Occupied::replace);
    ASSERT_FALSE(refused) << "part " << part;
    EXPECT_EQ(names(), before);
    EXPECT_FALSE(verify({.file = file(), .work_folder = root(), .known = known()}));
  }
  EXPECT_EQ(runs_in(state()), 20);
  testing::write(file(), whole);
  EXPECT_TRUE(verify({.file = file(), .work_folder = root(), .known = known()}));
  EXPECT_EQ(names(), before);
}

TEST_F(BackupTest, AnArchiveOfANewerDroverChangesNothing) {
  make_state(1);
  ASSERT_TRUE(back_up_here());
  for (Compatibility const& older :
       {Compatibility{"0.0.9", known().schema}, Compatibility{"0.1.0", {{"worker", 0}}}}) {
    auto const refused = restore(
        {.file = file(), .state_folder = state(), .occupied = Occupied::replace, .known = older},
        clock_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    EXPECT_TRUE(refused.error().text().contains("newer drover")) << refused.error().text();
  }
  EXPECT_EQ(names(), (std::vector<std::string>{"backup.tar.zst", "state"}));
}

// A store that is broken inside, in an archive whose digest is right.
TEST_F(BackupTest, AStoreThatDoesNotHoldTogetherIsFound) {
  make_state(500);
  {
    os::Fd const fd{::open((state() + "/drover.db").c_str(), O_RDWR | O_CLOEXEC)};
    std::string const junk(4096, '\x5a');
    auto const pages = fs::file_size(state() + "/drover.db") / 4096;
    ASSERT_EQ(::pwrite(fd.get(), junk.data(), junk.size(), static_cast<off_t>(pages / 2 * 4096)),
              4096);
  }
  auto const made = back_up_here();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::data_corrupt) << made.error().text();
  EXPECT_EQ(names(), (std::vector<std::string>{"state"}));
}

// Killed at any moment, the folder holds the old state or the new one, and a second try works.
TEST_F(BackupTest, KilledAtAnyMomentThereIsOneStateWhole) {
  make_state(2);
  ASSERT_TRUE(back_up_here());
  auto const first = std::chrono::steady_clock::now();
  ASSERT_TRUE(restore_here(Occupied::replace));
  auto const whole = std::chrono::steady_clock::now() - first;
  int old = 0;
  int fresh = 0;
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds; ++round) {
    testing::write(state() + "/api-token", "token of now", 0600);
    auto const started = std::chrono::steady_clock::now();
    pid_t const child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto const restored = restore_here(Occupied::replace);
      ::_exit(restored ? 0 : 1);
    }
    // From the first moment to some while behind the last.
    auto const kill_at = started + whole * round * 3 / (kRounds * 2);
    // The last one is left to its end, however busy this machine is.
    if (round + 1 < kRounds) {
      std::this_thread::sleep_until(kill_at);
      ::kill(child, SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    std::string const token = testing::read(state() + "/api-token");
    EXPECT_EQ(runs_in(state()), 2);
    EXPECT_EQ(testing::read(state() + "/sessions/ses-1/locked/file"), "x");
    if (token == "token of now")
      ++old;
    else if (token == "token-of-the-state")
      ++fresh;
    else
      ADD_FAILURE() << token;
  }
  EXPECT_GT(old, 0);
  EXPECT_GT(fresh, 0);
  auto const restored = restore_here(Occupied::replace);
  EXPECT_TRUE(restored) << restored.error().text();
}

TEST(DefaultFile, IsNamedByTheTime) {
  EXPECT_EQ(default_file(parse_rfc3339("2026-11-21T03:34:27.999Z").value()),
            "drover-20261121T033427Z.tar.zst");
}

}  // namespace
}  // namespace drover::backup
