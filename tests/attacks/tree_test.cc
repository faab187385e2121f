// Workspaces as traps: links, nodes and modes that the host meets afterwards.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "attacks/row.h"
#include "os/files.h"

namespace drover::attacks {
namespace {

class Tree : public AttackTest {
 protected:
  Attack on_workspace(std::vector<std::string> arguments) const {
    Attack attack;
    attack.arguments = std::move(arguments);
    attack.folders = {{workspace_.path(), "/workspace", Access::rw}};
    return attack;
  }
  TemporaryFolder workspace_;
};
ATTACKS_ON_EVERY_TARGET(Tree);

TEST_P(Tree, A4ALinkLeadsNeitherTheAgentNorTheHostOut) {
  Row row{"A4", name(), "a link out of the workspace, swapped for a folder in a race"};
  TemporaryFolder outside;
  ASSERT_TRUE(os::write_file_atomic(outside / "file", "outside"));
  ASSERT_TRUE(os::make_folders(workspace_ / "folder"));
  ASSERT_TRUE(os::write_file_atomic(workspace_ / "folder/file", "inside"));
  ASSERT_EQ(0, ::chmod(workspace_.path().c_str(), 0777));
  auto running = target().start(on_workspace({"swap-link", "/workspace/folder", outside.path()}));
  running->await("swapping ok");
  auto const root = os::open_folder(workspace_.path());
  ASSERT_TRUE(root);
  int inside = 0;
  int refused = 0;
  int escaped = 0;
  auto const end = std::chrono::steady_clock::now() + Millis{500};
  while (std::chrono::steady_clock::now() < end) {
    auto const file = os::open_regular_beneath(root->get(), "folder/file");
    if (!file) {
      ++refused;
      continue;
    }
    auto const text = os::read_all(file->get(), "file", 100);
    ++(text && *text == "inside" ? inside : escaped);
  }
  running->kill();
  row.holds("no read of the host left the workspace", escaped == 0, fmt::format("{}", escaped));
  row.control("some reads met the folder, and some the link", inside > 0 && refused > 0,
              fmt::format("{} and {}", inside, refused));

  Attack write;
  write.script =
      "ln -s /etc /workspace/e; echo x >/workspace/e/planted; echo $?; cat /workspace/e/passwd";
  write.folders = {{workspace_.path(), "/workspace", Access::rw}};
  auto const seen = target().run(write);
  row.holds("a write through a link stays inside", !os::exists("/etc/planted"), seen.output);
  row.control("the link is there", std::filesystem::is_symlink(workspace_ / "e"));
}

TEST_P(Tree, A5AHardLinkToAFileOfTheHostCannotBeMade) {
  Row row{"A5", name(), "hard link to a file outside the workspace"};
  TemporaryFolder other;
  ASSERT_TRUE(os::write_file_atomic(other / "file", "other"));
  for (std::string const source : {"/usr/bin/env", "/other/file", "/etc/passwd"}) {
    Attack attack = on_workspace({"link", source, "/workspace/link"});
    attack.folders.push_back({other.path(), "/other", Access::ro});
    auto const seen = target().run(attack);
    row.expect(source, seen.of("link"), {"EXDEV", "EPERM", "EACCES"});
    row.expect(source, seen.of("linkat"), {"EXDEV", "EPERM", "EACCES"});
  }
  // One that was there before the run has two links, and the host does not read it.
  ASSERT_EQ(0, ::link((other / "file").c_str(), (workspace_ / "planted").c_str()));
  auto const root = os::open_folder(workspace_.path());
  row.holds("the host reads no file of two links",
            !os::open_regular_beneath(root->get(), "planted").has_value());
  ASSERT_TRUE(os::write_file_atomic(workspace_ / "own", "own"));
  auto const own = target().run(on_workspace({"link", "/workspace/own", "/workspace/own-link"}));
  row.control("within the workspace it can", own.of("link") == "ok", own.output);
}

TEST_P(Tree, A7NoNodeStopsTheHost) {
  Row row{"A7", name(), "FIFO, socket and device in the workspace"};
  auto const seen = target().run(on_workspace({"special-files", "/workspace"}));
  row.expect("a character device", seen.of("character"), {"EPERM", "EACCES"});
  row.expect("a block device", seen.of("block"), {"EPERM", "EACCES"});
  row.control("FIFO and socket are made", seen.of("fifo") == "ok" && seen.of("socket") == "ok",
              seen.output);
  auto const root = os::open_folder(workspace_.path());
  auto const begin = std::chrono::steady_clock::now();
  for (std::string const node : {"fifo", "socket", "link"})
    row.holds(fmt::format("{} is not read", node),
              !os::open_regular_beneath(root->get(), node).has_value());
  row.holds("nor by its path",
            !os::read_file(workspace_ / "fifo") && !os::read_file(workspace_ / "socket"));
  row.holds("nor waited for", std::chrono::steady_clock::now() - begin < Millis{1000});
}

TEST_P(Tree, A18NoFileGivesPrivilege) {
  Row row{"A18", name(), "setuid and capable programs, and ones left for the host"};
  auto const seen = target().run(on_workspace({"setuid-files", "/workspace"}));
  for (std::string const way : {"chmod", "chmod_group", "fchmod", "fchmodat", "open", "creat",
                                "mknod", "tmpfile", "capability"})
    row.expect(way, seen.of(way), {"EPERM", "ENOSYS"});
  for (std::string const way : {"fchmodat2", "openat2"})
    row.expect(way, seen.of(way), {"EPERM", "ENOSYS"});
  bool clean = true;
  int files = 0;
  for (auto const& entry : std::filesystem::directory_iterator(workspace_.path())) {
    struct stat info{};
    ASSERT_EQ(0, ::lstat(entry.path().c_str(), &info));
    clean = clean && (info.st_mode & (S_ISUID | S_ISGID)) == 0;
    ++files;
  }
  row.holds("no such file is left on the host", clean);
  Attack script;
  script.script =
      "/usr/bin/passwd -S root 2>/dev/null; id -u; grep -e CapPrm -e NoNewPrivs /proc/self/status";
  auto const ids = target().run(script);
  row.holds("the host's own setuid programs run as the agent",
            ids.output == "1000\nCapPrm:\t0000000000000000\nNoNewPrivs:\t1\n", ids.output);
  TemporaryFolder here;
  auto const outside = run_outside({"setuid-files", here.path()});
  row.control("outside each way works",
              outside.of("chmod") == "ok" && outside.of("open") == "ok" &&
                  outside.of("mknod") == "ok" && outside.of("openat2") == "ok",
              outside.output);
  row.control("the plain files are there", files >= 5, seen.output);
}

}  // namespace
}  // namespace drover::attacks
