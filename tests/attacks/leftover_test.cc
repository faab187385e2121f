// Sandboxes that came and went leave the machine as it was.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "attacks/row.h"
#include "base/text.h"
#include "harness/processes.h"
#include "os/files.h"

namespace drover::attacks {
namespace {

namespace fs = std::filesystem;

class Leftovers : public AttackTest {};
ATTACKS_ON_EVERY_TARGET(Leftovers);

std::vector<std::string> names_in(std::string const& folder, std::string_view prefix = "") {
  std::vector<std::string> names;
  std::error_code error;
  for (auto const& entry : fs::directory_iterator(folder, error))
    if (auto name = entry.path().filename().string(); name.starts_with(prefix))
      names.push_back(std::move(name));
  std::ranges::sort(names);
  return names;
}

// What this process and its sandboxes have of the machine, a line each.
std::vector<std::string> possessions() {
  std::vector<std::string> all;
  for (auto const& process : harness::processes_below(::getpid()))
    all.push_back(fmt::format("process {}", process.command));
  for (auto const& name : names_in("/proc/self/fd"))
    all.push_back("descriptor " + name);
  for (auto const& name : names_in("/proc/self/task"))
    all.push_back("thread " + name);
  // Of this machine others mount things, too: a sandbox's are of these names.
  auto const mounts = os::read_file("/proc/self/mountinfo", 1U << 24U).value_or("");
  for (std::string_view const line : split(mounts, '\n'))
    if (line.contains(" tmpfs drover ") || line.contains("drover-attacks-"))
      all.push_back("mount " + std::string{line});
  std::string const own = fmt::format("drover-attack-{}-", ::getpid());
  std::error_code error;
  fs::recursive_directory_iterator walk{"/sys/fs/cgroup",
                                        fs::directory_options::skip_permission_denied, error};
  for (; !error && walk != fs::recursive_directory_iterator{}; walk.increment(error))
    if (walk->path().filename().string().starts_with(own))
      all.push_back("control group " + walk->path().string());
  for (auto const& name : names_in("/tmp", own))
    all.push_back("file " + name);
  return all;
}

std::string difference(std::vector<std::string> const& before,
                       std::vector<std::string> const& after) {
  std::string text;
  for (auto const& line : after)
    if (std::ranges::find(before, line) == before.end()) text += "\n  " + line;
  return text;
}

TEST_P(Leftovers, A20TwoHundredSandboxesLeaveNothing) {
  Row row{"A20", name(), "200 sandboxes that end, are killed, or hide: what is left"};
  TemporaryFolder workspace;
  Attack ends;
  ends.script = "sleep 60 & (setsid sleep 60 &) ; mkfifo /tmp/x; echo x >/workspace/x";
  Attack hides;
  hides.arguments = {"hide"};
  for (auto* const attack : {&ends, &hides})
    attack->folders = {{workspace.path(), "/workspace", Access::rw}};
  (void)target().run(ends);  // fills what is kept on purpose
  auto const before = possessions();
  std::size_t most = 0;
  for (int batch = 0; batch < 10; ++batch) {
    std::vector<std::unique_ptr<Running>> live;
    for (int i = 0; i < 10; ++i)
      live.push_back(target().start(hides));
    for (auto const& one : live)
      one->await("hidden ok");
    most = std::max(most, possessions().size());
    for (int i = 0; i < 10; ++i)
      (void)target().run(ends);
    for (std::size_t i = 0; i < live.size(); i += 2)
      live[i]->kill();  // the others by going out of scope
  }
  row.control("while they live there is more", most > before.size() + 100,
              fmt::format("{} and {}", before.size(), most));
  (void)harness::eventually([&] { return difference(before, possessions()).empty(); },
                            Millis{1'000});
  auto const left = difference(before, possessions());
  row.holds("no process, thread, mount, control group, descriptor or file is left", left.empty(),
            left);
}

}  // namespace
}  // namespace drover::attacks
