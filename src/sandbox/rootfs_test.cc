#include "sandbox/rootfs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "sandbox/testing.h"

namespace drover::sandbox {
namespace {

// A root with one static program, which is setuid besides.
class MiniRoot {
 public:
  MiniRoot() {
    for (std::string const name : {"usr/bin", "etc", "var/lib", "var/tmp", "home/other", "dev",
                                   "proc", "opt/a", "opt/b", "tmp", "run", "srv"})
      EXPECT_TRUE(os::make_folders(folder / name));
    std::filesystem::copy_file(DROVER_ATTACKER, folder / "usr/bin/attacker");
    EXPECT_EQ(0, ::chmod((folder / "usr/bin/attacker").c_str(), 06755));
    EXPECT_EQ(0, ::symlink("usr/bin", (folder / "bin").c_str()));
    EXPECT_EQ(0, ::symlink("/etc/shadow", (folder / "leak").c_str()));
    for (std::string const name :
         {"etc/passwd", "etc/own", "opt/a/file", "tmp/hidden", "run/hidden"})
      EXPECT_TRUE(os::write_file_atomic(folder / name, "of the root"));
  }
  SandboxSpec spec(std::vector<std::string> arguments) const {
    SandboxSpec spec;
    spec.id = next_id("root");
    spec.rootfs = folder.path();
    spec.argv = {"/bin/attacker"};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    return spec;
  }
  TemporaryFolder folder;
};

TEST(RootEntries, OpensUpOnlyTheFoldersThatHoldAPlace) {
  MiniRoot const root;
  auto const entries =
      root_entries(root.folder.path(), {"/proc", "/dev", "/opt/b", "/opt/c/deep", "/var/tmp"});
  ASSERT_TRUE(entries) << entries.error().text();
  std::vector<std::string> paths;
  for (auto const& entry : *entries)
    paths.push_back(entry.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"/bin", "/etc", "/home", "/leak", "/opt/a", "/run",
                                             "/srv", "/tmp", "/usr", "/var/lib"}));
  EXPECT_EQ(RootEntry::Kind::link, (*entries)[0].kind);
  EXPECT_EQ("usr/bin", (*entries)[0].link);
}

TEST(RootEntries, ALinkWhereAPlaceGoesThroughGivesWay) {
  MiniRoot const root;
  auto const entries = root_entries(root.folder.path(), {"/bin/tool"});
  ASSERT_TRUE(entries);
  EXPECT_TRUE(std::ranges::none_of(*entries, [](auto const& one) { return one.path == "/bin"; }));
}

TEST(RootEntries, TooManyAndNoneAreErrors) {
  MiniRoot const root;
  for (std::size_t i = 0; i <= kRootEntriesMax; ++i)
    ASSERT_TRUE(os::make_folders(root.folder / fmt::format("srv/{}", i)));
  EXPECT_TRUE(root_entries(root.folder.path(), {}));
  EXPECT_FALSE(root_entries(root.folder.path(), {"/srv/x/y"}).has_value());
  EXPECT_FALSE(root_entries(root.folder / "nowhere", {}).has_value());
}

TEST(Rootfs, ItsProgramsRunAndNothingOfTheHostsIsThere) {
  MiniRoot const root;
  auto const seen = lines_of(
      run(root.spec({"read", "/etc/own", "/opt/a/file", "/usr/bin/env", "/usr/lib", "/tmp/hidden",
                     "/run/hidden", "/leak", "/etc/passwd", "/home/other", "/dev/null"}))
          .output);
  for (std::string const path :
       {"/etc/own", "/opt/a/file", "/etc/passwd", "/home/other", "/dev/null"})
    EXPECT_EQ("ok", seen.at(path)) << path;
  for (std::string const path : {"/usr/bin/env", "/usr/lib", "/tmp/hidden", "/run/hidden", "/leak"})
    EXPECT_EQ("ENOENT", seen.at(path)) << path;
}

TEST(Rootfs, ItIsReadOnlyAndItsSetuidProgramsGiveNothing) {
  MiniRoot const root;
  auto const written =
      lines_of(run(root.spec({"write", "/etc/own", "/opt/a/file", "/usr/bin/attacker"})).output);
  for (auto const& [path, outcome] : written)
    EXPECT_TRUE(outcome == "EACCES" || outcome == "EROFS") << path << " " << outcome;
  EXPECT_EQ(3U, written.size());
  EXPECT_EQ("uid 1000\neuid 1000\negid 1000\n", run(root.spec({"ids"})).output);
  EXPECT_EQ("of the root", os::read_file(root.folder / "etc/own").value());
}

TEST(Rootfs, WorkspacesToolsAndHostPathsFindTheirPlacesInIt) {
  MiniRoot const root;
  TemporaryFolder workspace;
  ASSERT_TRUE(os::write_file_atomic(workspace / "file", "text"));
  auto spec = root.spec({"read", "/workspace/file", "/opt/c/tool", "/opt/a/file",
                         "/usr/share/zoneinfo/UTC", "/home/agent", "/var/tmp", "/var/lib"});
  spec.mounts = {{workspace.path(), "/workspace", MountMode::rw, Ownership::owner_is_agent},
                 {*os::real_path(DROVER_ATTACKER), "/opt/c/tool"}};
  spec.extra_ro_paths = {"/usr/share/zoneinfo"};
  auto const outcome = run(std::move(spec));
  auto const seen = lines_of(outcome.output);
  EXPECT_EQ(7U, seen.size()) << outcome.output;
  for (auto const& [path, what] : seen)
    EXPECT_EQ("ok", what) << path;
}

TEST(Rootfs, AMissingOneIsNamed) {
  auto spec = script_spec("true");
  spec.rootfs = "/no/such/root";
  auto const result = launcher().launch(spec);
  ASSERT_FALSE(result.has_value());
  EXPECT_TRUE(result.error().text().contains("/no/such/root")) << result.error().text();
  spec.rootfs = "relative";
  EXPECT_EQ(ErrorCode::invalid_argument, launcher().launch(spec).error().code);
}

}  // namespace
}  // namespace drover::sandbox
