#pragma once
// What the reconciler asks of a backend: Docker (or Podman), the process backend, others later. All
// calls are on the event loop; errors say what is in the way, unavailable where nobody answers.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "fleet/health.h"
#include "fleet/instance.h"
#include "fleet/log_stream.h"
#include "fleet/plan.h"
#include "os/blocking_pool.h"

namespace drover::fleet {

// What is there under the name of an instance's state.
enum class VolumeState : std::uint8_t { missing, ours, foreign };

struct Vitals {
  Phase phase = Phase::ended;
  int pid = 0;  // of its program on this machine, while it runs
  std::int64_t restarts = 0;
  std::optional<WallTime> started{};
  std::optional<int> exit_code{};
  bool out_of_memory = false;
  std::string image{};  // the very image, where there is one
  std::string error{};  // why the engine could not start it
};

struct Usage {
  std::uint64_t memory_bytes = 0;
  std::uint64_t cpu_us = 0;
};

// What an engine says by itself. Neither is lost: whoever misses one is told `look` later.
struct EngineNews {
  enum class Kind : std::uint8_t {
    look,   // it answers (again): what it has may have changed
    came,   // a container runs
    ended,  // its program has ended
    gone,
  };
  Kind kind = Kind::look;
  std::string container{};  // empty: the engine itself answers (again)
  LastEnd end{};            // of ended, as far as it was said
};

class FleetEngine {
 public:
  virtual ~FleetEngine() = default;
  [[nodiscard]] virtual std::string_view backend() const = 0;

  // All that have the labels of this server's fleet: one call.
  virtual Task<Result<std::vector<Actual>>> list() = 0;
  // Its id. Its image is there, its volume is looked after by the caller. conflict: another has
  // that name.
  virtual Task<Result<std::string>> create(Instance instance, std::string name) = 0;
  // Running already is no error.
  virtual Task<Status> start(std::string container) = 0;
  // Nothing runs in it once this returns.
  virtual Task<Status> freeze(std::string container) = 0;
  virtual Task<Status> unpause(std::string container) = 0;
  virtual Task<Status> rename(std::string container, std::string name) = 0;
  // SIGTERM, the grace, then SIGKILL; its volume stays. One that is gone is no error.
  virtual Task<Status> remove(std::string container, Millis grace) = 0;

  virtual Task<Result<VolumeState>> volume(Instance instance) = 0;
  // The instance's own from the start, and empty. One that is ours already is taken as it is.
  virtual Task<Status> make_volume(Instance instance) = 0;
  // With all that is in it. One that is gone is no error; one that is somebody else's is.
  virtual Task<Status> wipe_volume(Instance instance) = 0;

  virtual Task<Result<Vitals>> describe(std::string container) = 0;
  virtual Task<Result<Usage>> usage(std::string container) = 0;
  // The last lines of both streams: untrusted text.
  virtual Task<Result<std::string>> logs(std::string container, int lines) = 0;
  // And what it writes from then on.
  virtual Task<Result<std::unique_ptr<LogStream>>> follow(std::string container,
                                                          LogStart start) = 0;

  // From now on news are told; `needed` says whether one that does not answer is tried again.
  virtual void watch(std::function<void(EngineNews const&)> told, std::function<bool()> needed) = 0;
  // Nothing is told from here on, what is under way is cancelled, and what cannot outlive its
  // server ends.
  virtual Task<void> stop() = 0;
};

}  // namespace drover::fleet
