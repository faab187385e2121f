#pragma once
// Starts sandboxes. Everything that is needed is either there or the launch is refused with the
// exact fix: there is no weaker mode.
// Launcher: thread-safe, one a process; launch() blocks for some milliseconds, so the event loop
// calls it through the BlockingPool. Sandbox: one owner, one thread at a time.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "os/cgroup.h"
#include "os/process.h"
#include "sandbox/plan.h"
#include "sandbox/spec.h"

namespace drover::sandbox {

class GrowthWatch;

struct SandboxExit {
  os::ExitStatus status{};
  bool out_of_memory = false;  // the kernel's memory controller killed in it, and it failed
  std::string over_disk{};     // why the limit of its workspaces ended it; else empty
};

// What finds a sandbox again from another process of the same boot.
struct SandboxTrace {
  std::string id{};
  pid_t pid = -1;
  std::uint64_t start_ticks = 0;
  std::vector<std::string> cgroup_folders{};
};

// An owned sandbox. The destructor kills what is left and removes its control groups.
class Sandbox {
 public:
  Sandbox(Sandbox&&) noexcept;
  Sandbox& operator=(Sandbox&&) noexcept;
  ~Sandbox();

  [[nodiscard]] pid_t pid() const;  // of its init, in this process's pid namespace
  [[nodiscard]] int pidfd() const;  // readable once every process of the sandbox has ended
  [[nodiscard]] std::string const& id() const;
  // Default limits that this host cannot enforce, by name. Asked ones are never here.
  [[nodiscard]] std::vector<std::string> const& unenforced() const;

  // To its init alone. The kernel drops a signal that the init has no handler for.
  [[nodiscard]] Status signal(int number);
  // Has the init a handler for the signal? Without one there is no use in asking it to stop.
  [[nodiscard]] bool handles(int number) const;
  // Returns once no process of the sandbox runs.
  [[nodiscard]] Status freeze(Millis timeout = kFreezeWait);
  [[nodiscard]] Status thaw(Millis timeout = kFreezeWait);
  // Every process of the sandbox, and waits until they are gone. Not an error when they are.
  [[nodiscard]] Status kill(Millis timeout = kKillWait);
  // Reaps; nullopt when it still runs after `timeout`. The answer stays for later calls.
  [[nodiscard]] Result<std::optional<SandboxExit>> wait(Millis timeout);
  [[nodiscard]] os::CgroupUsage usage() const;
  [[nodiscard]] std::vector<std::string> cgroup_folders() const;

  static constexpr Millis kFreezeWait{2000};
  static constexpr Millis kKillWait{1000};

 private:
  friend class Launcher;
  struct State;
  explicit Sandbox(std::unique_ptr<State> state);
  [[nodiscard]] Status watch_growth(SandboxSpec const& spec, std::shared_ptr<GrowthWatch> watch);
  std::unique_ptr<State> state_;
};

// Who makes the namespaces. Nothing falls back from one to the other by itself.
enum class Maker : std::uint8_t { drover, bubblewrap };
// Of the setting DROVER_SANDBOX; empty is drover.
[[nodiscard]] Result<Maker> parse_maker(std::string_view text);

class Launcher {
 public:
  // Looks at the machine and compiles the filter. `unsupported` where no sandbox is possible.
  [[nodiscard]] static Result<std::shared_ptr<Launcher>> create(Maker maker = Maker::drover);
  ~Launcher();

  // Called after the child exists and before its program runs; an error stops the launch. Where
  // this process dies before it returns, the child ends by itself.
  using Created = std::function<Status(SandboxTrace const& trace)>;
  [[nodiscard]] Result<Sandbox> launch(SandboxSpec const& spec, Created const& created = {});

  // Kills and cleans what an earlier process left: the init, if the pid still means that process,
  // and the control groups. No error when nothing is left.
  [[nodiscard]] static Status reap_orphan(SandboxTrace const& trace);

  [[nodiscard]] Maker maker() const;
  [[nodiscard]] Privilege privilege() const;
  [[nodiscard]] int landlock_abi() const;
  [[nodiscard]] os::CgroupHost const& cgroups() const;
  [[nodiscard]] UserNamespaces& user_namespaces();

  static constexpr Millis kSetUpWait{10'000};

 private:
  struct State;
  explicit Launcher(std::unique_ptr<State> state);
  [[nodiscard]] Result<Sandbox> launch_with_bubblewrap(SandboxSpec const& spec,
                                                       Created const& created);
  std::unique_ptr<State> state_;
};

// Ids of sandboxes that are of no use without the process that made them: this, its pid, and a
// number of its own ("-4"). Those of processes that were killed are swept by the next one.
inline constexpr std::string_view kProcessHostIds = "flow-";

// "drover-<id>"
[[nodiscard]] std::string cgroup_name(std::string const& id);

}  // namespace drover::sandbox
