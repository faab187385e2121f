// What takes all there is of something ends at the run's own limit, and nobody else notices.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "attacks/row.h"
#include "harness/program.h"
#include "os/files.h"

namespace drover::attacks {
namespace {

class Bombs : public AttackTest {
 protected:
  // A limit that this machine does not have is refused when asked for, which is the outcome then.
  static bool refused(Row& row, std::string_view limit, Attack const& attack) {
    auto const why = target().why_not(limit);
    if (why.empty()) return false;
    auto const refusal = target().refusal(attack);
    row.holds(fmt::format("{} cannot be limited here, and asking for it is refused", limit),
              refusal.contains("cannot be enforced"), refusal);
    Attack without;
    without.arguments = {"nothing"};
    row.control("without it the same starts", target().run(without).exit_code == 0);
    return true;
  }
};
ATTACKS_ON_EVERY_TARGET(Bombs);

Attack attacker(std::vector<std::string> arguments) {
  Attack attack;
  attack.arguments = std::move(arguments);
  return attack;
}

TEST_P(Bombs, A8AForkBombMeetsItsLimit) {
  Row row{"A8", name(), "fork bomb"};
  Attack attack = attacker({"forks", "400"});
  attack.pids = 50;
  auto const seen = target().run(attack);
  row.expect("fork", seen.of("fork"), {"EAGAIN"});
  row.holds("fewer than its limit", seen.number("started") > 20 && seen.number("started") < 50,
            seen.output);
  // While one stands at its limit, the host starts what it likes.
  Attack standing = attacker({"forks", "400", "stay"});
  standing.pids = 50;
  auto running = target().start(standing);
  running->await("fork EAGAIN");
  bool started = true;
  for (int i = 0; i < 100; ++i)
    started = started && harness::run_program({{"/bin/true"}, {}, "/", ""}).exit_code == 0;
  running->kill();
  row.holds("the host starts 100 programs meanwhile", started);
  attack.pids = 450;
  auto const generous = target().run(attack);
  row.control("under a higher limit all start",
              generous.number("started") == 400 && generous.of("fork") == "ok", generous.output);
}

TEST_P(Bombs, A9AMemoryBombTakesItsOwnAlone) {
  Row row{"A9", name(), "memory bomb: anonymous, memfd, tmpfs"};
  Attack attack = attacker({"memory", "anonymous", "256"});
  attack.memory_mb = 64;
  attack.tmp_mb = 512;
  attack.file_mb = 1024;
  if (refused(row, "memory", attack)) return;
  for (std::string const kind : {"anonymous", "memfd", "/tmp/bomb"}) {
    attack.arguments = {"memory", kind, "256"};
    auto const seen = target().run(attack);
    row.holds("only it is killed", seen.exit_code == 137 && seen.out_of_memory,
              fmt::format("{} {}", kind, seen.exit_code));
  }
  row.outcome("reason is oom");
  for (std::string const kind : {"anonymous", "memfd", "/tmp/bomb"}) {
    attack.arguments = {"memory", kind, "16"};
    auto const seen = target().run(attack);
    row.control("within its limit it ends well", seen.exit_code == 0 && !seen.out_of_memory,
                fmt::format("{} {}", kind, seen.exit_code));
  }
}

TEST_P(Bombs, A10ADiskBombMeetsItsBounds) {
  Row row{"A10", name(), "fill the disk: bytes, files, one huge file"};
  Attack attack = attacker({"fill", "/tmp/big", "64"});
  attack.tmp_mb = 8;
  auto const bytes = target().run(attack);
  row.expect("bytes", bytes.of("fill"), {"ENOSPC"});
  row.holds("at its size", bytes.number("mib") <= 8, bytes.output);
  attack.arguments = {"inodes", "/tmp", "100000"};
  auto const inodes = target().run(attack);
  row.expect("files", inodes.of("inodes"), {"ENOSPC"});
  row.holds("at its count", inodes.number("made") < 10'000, inodes.output);
  TemporaryFolder workspace;
  attack = attacker({"fill", "/workspace/big", "64"});
  attack.folders = {{workspace.path(), "/workspace", Access::rw}};
  attack.file_mb = 16;
  auto const file = target().run(attack);
  row.expect("one file", file.of("fill"), {"EFBIG"});
  attack.arguments = {"sparse", "/workspace/sparse", "100000"};
  row.expect("a sparse file", target().run(attack).of("truncate"), {"EFBIG"});
  for (std::string const root : {"/file", "/usr/file", "/etc/file", "/dev/file"}) {
    attack.arguments = {"write", root};
    row.expect(root, target().run(attack).of(root), {"EROFS", "EACCES", "ENOENT"});
  }
  attack.arguments = {"fill", "/workspace/small", "4"};
  auto const small = target().run(attack);
  row.control("within its bounds it writes", small.of("fill") == "ok", small.output);
}

TEST_P(Bombs, A11ASpinKeepsItsShare) {
  Row row{"A11", name(), "CPU spin, nice, real time"};
  Attack attack = attacker({"spin", "1000"});
  attack.cpu_milli = 200;
  if (!refused(row, "cpu", attack)) {
    auto const bound = target().run(attack);
    // 20 % of a second, and one period more at each end.
    row.holds("no more than its share", bound.number("cpu_ms") <= 450, bound.output);
    attack.cpu_milli.reset();
    auto const free = target().run(attack);
    row.control("without a limit it takes more",
                free.number("cpu_ms") > bound.number("cpu_ms") + 100, free.output + bound.output);
  }
  auto const calls = target().run(attacker({"forbidden-calls"}));
  row.expect("real time", calls.of("realtime"), {"EPERM"});
  row.expect("nice", calls.of("nice"), {"EACCES", "EPERM"});
}

}  // namespace
}  // namespace drover::attacks
