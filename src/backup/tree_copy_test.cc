// Trees that somebody hostile writes in while they are read.
#include "backup/tree_copy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "backup/testing.h"

namespace drover::backup {
namespace {

namespace fs = std::filesystem;

class TreeCopyTest : public ::testing::Test {
 protected:
  TreeCopyTest() {
    fs::create_directories(state() + "/worktrees/ses-1");
    fs::create_directories(outside());
    testing::write(outside() + "/secret", "SECRET");
  }
  std::string state() const { return folder_.path() + "/state"; }
  std::string tree() const { return state() + "/worktrees/ses-1"; }
  std::string outside() const { return folder_.path() + "/outside"; }

  Result<std::string> copy() {
    os::Fd const fd{::memfd_create("archive", MFD_CLOEXEC)};
    auto writer = ArchiveWriter::create(fd.get(), "test");
    if (!writer) return std::unexpected(writer.error());
    TreeCopy tree{{.folder = state(), .spool_folder = folder_.path()}, *writer};
    auto const left_out = tree.run();
    if (!left_out) return std::unexpected(left_out.error());
    Manifest manifest;
    manifest.left_out = *left_out;
    auto const finished = writer->finish(std::move(manifest));
    if (!finished) return std::unexpected(finished.error());
    ::lseek(fd.get(), 0, SEEK_SET);
    return os::read_all(fd.get(), "archive", std::size_t{1} << 26U);
  }
  testing::ReadArchive copy_and_read() {
    auto const bytes = copy();
    if (!bytes) throw std::runtime_error(bytes.error().text());
    auto all = testing::read_archive(*bytes);
    if (!all) throw std::runtime_error(all.error().text());
    return *std::move(all);
  }
  static testing::ReadEntry const* find(testing::ReadArchive const& all, std::string_view path) {
    for (auto const& one : all.entries)
      if (one.entry.path == path) return &one;
    return nullptr;
  }

  OwnFolder folder_ = testing::temporary_folder();
};

TEST_F(TreeCopyTest, LinksStayLinksAndNothingBehindThemIsRead) {
  fs::create_symlink(outside() + "/secret", tree() + "/file-link");
  fs::create_directory_symlink(outside(), tree() + "/folder-link");
  auto const all = copy_and_read();
  EXPECT_FALSE(testing::text_of(all).contains("SECRET"));
  ASSERT_NE(find(all, "worktrees/ses-1/folder-link"), nullptr);
  EXPECT_EQ(find(all, "worktrees/ses-1/folder-link")->entry.target, outside());
  EXPECT_EQ(find(all, "worktrees/ses-1/folder-link/secret"), nullptr);
  EXPECT_EQ(all.manifest.contents.symlinks, 2);
}

TEST_F(TreeCopyTest, WhatIsNoFileIsSkippedAndCounted) {
  ASSERT_EQ(::mkfifo((tree() + "/fifo").c_str(), 0666), 0);
  os::Fd const fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (tree() + "/sock").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address), 0);
  testing::write(tree() + "/plain", "kept");
  auto const all = copy_and_read();
  EXPECT_EQ(all.manifest.left_out.special, 2);
  ASSERT_NE(find(all, "worktrees/ses-1/plain"), nullptr);
  EXPECT_EQ(find(all, "worktrees/ses-1/plain")->content, "kept");
}

TEST_F(TreeCopyTest, RightsOfAnotherUserAreNotKept) {
  testing::write(tree() + "/su", "#!/bin/sh\n");
  ASSERT_EQ(::chmod((tree() + "/su").c_str(), 06755), 0);
  auto const all = copy_and_read();
  EXPECT_EQ(find(all, "worktrees/ses-1/su")->entry.mode, 0755U);
}

TEST_F(TreeCopyTest, NamesAreBytesAndLargeFilesComeWhole) {
  std::string const odd = "\xff\n\x1b[31m \xc3\xa4";
  testing::write(tree() + "/" + odd, "odd");
  std::string large;
  for (std::uint64_t i = 0; large.size() < (std::size_t{3} << 20U); ++i)
    large += std::to_string(i * 7919);
  testing::write(tree() + "/large", large);
  auto const all = copy_and_read();
  ASSERT_NE(find(all, "worktrees/ses-1/" + odd), nullptr);
  EXPECT_EQ(find(all, "worktrees/ses-1/" + odd)->content, "odd");
  EXPECT_TRUE(find(all, "worktrees/ses-1/large")->content == large);
  EXPECT_EQ(all.manifest.left_out.changed, 0);
}

// A chain deeper than the descriptors that a process may have, and than a path may be long.
TEST_F(TreeCopyTest, DepthUsesUpNoDescriptorsAndEndsAtTheBound) {
  rlimit const before = [] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit;
  }();
  os::Fd at{::open(tree().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  for (int level = 0; level < 2000; ++level) {
    ASSERT_EQ(::mkdirat(at.get(), "d", 0755), 0);
    at = os::Fd{::openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  }
  rlimit few = before;
  few.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  auto const all = copy_and_read();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GT(all.manifest.contents.folders, 1400);
  EXPECT_EQ(all.manifest.left_out.too_large, 1);
}

TEST_F(TreeCopyTest, AFileOverTheBoundIsLeftOutAndCounted) {
  testing::write(tree() + "/huge", "");
  fs::resize_file(tree() + "/huge", kFileBytesMax + 1);
  testing::write(tree() + "/next", "kept");
  auto const all = copy_and_read();
  EXPECT_EQ(all.manifest.left_out.too_large, 1);
  EXPECT_EQ(find(all, "worktrees/ses-1/huge"), nullptr);
  EXPECT_NE(find(all, "worktrees/ses-1/next"), nullptr);
}

// As a user who is not root: what an agent made unreadable is counted, what is drover's is not let
// go.
TEST_F(TreeCopyTest, OnlyAgentsFilesMayBeUnreadable) {
  constexpr uid_t kNobody = 65534;
  testing::write(tree() + "/open", "kept");
  testing::write(tree() + "/shut", "x", 0);
  fs::create_directory(tree() + "/shut-folder");
  fs::permissions(tree() + "/shut-folder", fs::perms::none);
  testing::write(state() + "/api-token", "x", 0);
  if (::geteuid() == 0)
    for (auto const& one : fs::recursive_directory_iterator(folder_.path()))
      ASSERT_EQ(::lchown(one.path().c_str(), kNobody, kNobody), 0);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0777), 0);
  pid_t const child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::geteuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(9);
    auto const refused = copy();
    if (refused || !refused.error().message.contains("api-token")) ::_exit(1);
    if (::chmod((state() + "/api-token").c_str(), 0600) != 0) ::_exit(2);
    auto const all = copy_and_read();
    if (all.manifest.left_out.unreadable != 2) ::_exit(3);
    ::_exit(find(all, "worktrees/ses-1/open") == nullptr ? 4 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0) << status;
}

TEST_F(TreeCopyTest, AnInterruptEndsIt) {
  os::Fd const fd{::memfd_create("archive", MFD_CLOEXEC)};
  auto writer = ArchiveWriter::create(fd.get(), "test");
  std::atomic<bool> const abort{true};
  TreeCopy tree{{.folder = state(), .spool_folder = folder_.path(), .abort = &abort}, *writer};
  auto const left_out = tree.run();
  ASSERT_FALSE(left_out);
  EXPECT_EQ(left_out.error().code, ErrorCode::cancelled);
}

// One thread changes what things are, as fast as it can, while the other reads them.
TEST_F(TreeCopyTest, WhateverIsSwappedMeanwhileNothingOutsideIsReadAndNothingFails) {
  fs::create_directory(tree() + "/real");
  testing::write(tree() + "/real/file", "INSIDE");
  std::atomic<bool> done{false};
  std::jthread const attacker{[&] {
    std::string const name = tree() + "/it";
    std::vector<std::function<void()>> const shapes = {
        [&] { fs::create_symlink(outside() + "/secret", name); },
        [&] { fs::create_directory_symlink(outside(), name); },
        [&] { (void)::mkfifo(name.c_str(), 0666); },
        [&] { testing::write(name, std::string(2'000'000, 'x')); },
        [&] { fs::resize_file(name, 10); },
        [&] { fs::remove(name), fs::create_directory(name); },
        [&] { testing::write(name + "/file", "INSIDE"); },
        [&] { fs::remove_all(name), fs::rename(tree() + "/real", name); },
        [&] { fs::rename(name, tree() + "/real"); },
    };
    for (std::size_t turn = 0; !done; ++turn) {
      std::size_t const shape = turn % shapes.size();
      if (shape < 4) fs::remove_all(name);
      shapes[shape]();
    }
  }};
  LeftOut seen;
  // On a busy machine the two may take turns for long: it goes on until they have met.
  auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
  auto const met = [&seen] { return seen.special + seen.vanished + seen.changed > 0; };
  for (int round = 0; round < 60 || (!met() && std::chrono::steady_clock::now() < deadline);
       ++round) {
    auto const all = copy_and_read();
    EXPECT_FALSE(testing::text_of(all).contains("SECRET"));
    seen.special += all.manifest.left_out.special;
    seen.vanished += all.manifest.left_out.vanished;
    seen.changed += all.manifest.left_out.changed;
  }
  done = true;
  EXPECT_TRUE(met()) << "the swaps never met the reader";
}

}  // namespace
}  // namespace drover::backup
