// What is not the agent's to read: the host's secrets, other runs, other processes, descriptors.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "attacks/row.h"
#include "harness/program.h"
#include "os/files.h"

namespace drover::attacks {
namespace {

class Secrets : public AttackTest {};
ATTACKS_ON_EVERY_TARGET(Secrets);

Attack attacker(std::vector<std::string> arguments) {
  Attack attack;
  attack.arguments = std::move(arguments);
  return attack;
}

TEST_P(Secrets, A1TheHostsFilesAreAbsent) {
  Row row{"A1", name(), "read ~/.ssh, /root, /etc/shadow, the server's state"};
  TemporaryFolder home;
  ASSERT_TRUE(os::make_folders(home / ".ssh", 0700));
  ASSERT_TRUE(os::write_file_atomic(home / ".ssh/id_ed25519", "key", 0600));
  ASSERT_TRUE(os::write_file_atomic(home / "drover.db", "db", 0600));
  TemporaryFolder workspace;
  ASSERT_TRUE(os::write_file_atomic(workspace / "file", "text"));
  std::vector<std::string> const secret = {
      home / ".ssh/id_ed25519", home / "drover.db", "/root",    "/etc/shadow", "/etc/gshadow",
      "/etc/sudoers",           "/home/user",       "/var/lib", "/sys",        "/boot"};
  Attack attack = attacker({"read"});
  attack.arguments.insert(attack.arguments.end(), secret.begin(), secret.end());
  attack.arguments.emplace_back("/workspace/file");
  attack.folders = {{workspace.path(), "/workspace", Access::rw}};
  auto const seen = target().run(attack);
  for (auto const& path : secret)
    row.expect(path, seen.of(path), {"ENOENT"});
  row.control("its own file opens", seen.of("/workspace/file") == "ok", seen.output);
  auto const here = run_outside({"read", home / "drover.db", "/sys"});
  row.control("outside they open", here.of(home / "drover.db") == "ok" && here.of("/sys") == "ok",
              here.output);
}

TEST_P(Secrets, A2NoProcessTellsASecret) {
  Row row{"A2", name(), "search /proc/*/environ, cmdline, mountinfo for a secret"};
  std::string const secret = fmt::format("s3cret{}", ::getpid());
  ::setenv("ATTACKS_SECRET", secret.c_str(), 1);  // as a key in the server's own environment
  auto const seen = target().run(attacker({"search-proc", secret}));
  ::unsetenv("ATTACKS_SECRET");
  row.holds("no secret in any process", seen.number("hits") == 0, seen.output);
  row.holds("only its own pids", seen.number("largest") == 1, seen.output);
  Attack own = attacker({"search-proc", secret});
  own.environment = {"OWN=" + secret};
  row.control("what it has itself is found", target().run(own).number("hits") == 1);
  auto const here = run_outside({"search-proc", secret}, {"KEY=" + secret});
  row.control("outside it is found", here.number("hits") >= 1, here.output);
}

TEST_P(Secrets, A3AnotherWorkspaceAndAnotherRunsSocketAreAbsent) {
  Row row{"A3", name(), "another workspace, another run's folder and socket"};
  TemporaryFolder mine;
  TemporaryFolder other;
  ASSERT_TRUE(os::write_file_atomic(mine / "file", "mine"));
  ASSERT_TRUE(os::write_file_atomic(other / "file", "other"));
  os::Fd const listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  std::string const path = other / "unit.sock";
  std::ranges::copy(path, local.sun_path);
  ASSERT_EQ(0, ::bind(listener.get(), reinterpret_cast<sockaddr*>(&local), sizeof local));
  ASSERT_EQ(0, ::listen(listener.get(), 4));
  Attack attack = attacker({"read", other / "file", other.path(), "/workspace/up/file",
                            "/workspace/../.." + (other / "file"), "/workspace/file"});
  attack.folders = {{mine.path(), "/workspace", Access::rw}};
  ASSERT_EQ(0, ::symlink(other.path().c_str(), (mine / "up").c_str()));
  auto const seen = target().run(attack);
  row.expect("its path", seen.of(other / "file"), {"ENOENT"});
  row.expect("a link to it", seen.of("/workspace/up/file"), {"ENOENT"});
  row.expect("dots", seen.of("/workspace/../.." + (other / "file")), {"ENOENT"});
  row.control("its own file opens", seen.of("/workspace/file") == "ok", seen.output);
  auto const socket = target().run(attacker({"connect-path", path}));
  row.expect("its socket", socket.of(path), {"ENOENT"});
  row.control("outside the socket answers", run_outside({"connect-path", path}).of(path) == "ok");
}

TEST_P(Secrets, A21OnlyTheDeclaredDescriptorsArrive) {
  Row row{"A21", name(), "inherited descriptors"};
  // Not close-on-exec, on purpose: as a library of the server might leave them.
  os::Fd const leak{::open("/etc/passwd", O_RDONLY)};
  os::Fd const folder{::open("/", O_RDONLY | O_DIRECTORY)};
  auto const seen = target().run(attacker({"descriptors"}));
  row.holds("0, 1, 2 and no other",
            seen.of("fd-0") == "ok" && seen.of("fd-1") == "ok" && seen.of("fd-2") == "ok" &&
                std::ranges::count(seen.output, '\n') == 3,
            seen.output);
  row.control("the leak is one", (::fcntl(leak.get(), F_GETFD) & FD_CLOEXEC) == 0);
}

}  // namespace
}  // namespace drover::attacks
