#pragma once
// Ends sandboxes whose workspaces grow beyond their limit: one thread for all of them, which sleeps
// while none has such a limit. Thread-safe; outlives what it watches.
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "os/fd.h"
#include "sandbox/growth.h"

namespace drover::sandbox {

class GrowthWatch {
 public:
  // What is watched, shared by its sandbox and the thread.
  class Watched {
   public:
    // A frozen sandbox does not grow. What it has when it goes on is where growth starts anew: its
    // turns are counted one by one.
    void pause() { paused_ = true; }
    void resume();
    // Why it was killed; empty where it was not.
    [[nodiscard]] std::string excess() const;

   private:
    friend class GrowthWatch;
    std::vector<std::string> folders_;
    std::uint64_t limit_mb_ = 0;
    os::Fd pidfd_;
    pid_t init_ = -1;
    std::atomic<bool> paused_ = false;
    std::atomic<bool> restart_ = false;
    std::unique_ptr<GrowthMeter> meter_;  // the thread's
    mutable std::mutex mutex_;
    std::string excess_;
  };

  GrowthWatch() = default;
  ~GrowthWatch();
  GrowthWatch(GrowthWatch const&) = delete;
  GrowthWatch& operator=(GrowthWatch const&) = delete;

  [[nodiscard]] Result<std::shared_ptr<Watched>> add(std::vector<std::string> folders,
                                                     std::uint64_t limit_mb, pid_t init, int pidfd);
  void remove(std::shared_ptr<Watched> const& watched);

  static constexpr Millis kTick{200};

 private:
  void run(std::stop_token const& stop);
  static void look(Watched& watched, Millis now);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<std::shared_ptr<Watched>> all_;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace drover::sandbox
