#pragma once
// Threads that carry out commands of effects, so many at a time; what is more waits in the order in
// which it came.
//
// Thread-safe. The destructor kills what runs and waits for it; of that nobody is told an end.
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "driver/command_job.h"
#include "os/fd.h"

namespace drover::driver {

struct CommandPoolOptions {
  std::size_t slots = 4;
  std::string node = "node";
  // What a launch needs of the host; called once, at the first command.
  std::function<Result<std::shared_ptr<sandbox::Launcher>>()> launcher;
};

class CommandPool {
 public:
  CommandPool(CommandPoolOptions options, Clock const& clock);
  ~CommandPool();
  CommandPool(CommandPool const&) = delete;
  CommandPool& operator=(CommandPool const&) = delete;

  // Whether this host has sandboxes; before a command is noted as begun.
  [[nodiscard]] Status ready();
  // `ended` is called once, on a thread of the pool, unless the command is stopped.
  using Ended = std::function<void(workflow::TaskResult)>;
  void begin(CommandJob job, Ended ended);
  // Of the run at this path. One that is not there is no error.
  void stop(std::string const& run_path, std::string const& effect_id);

 private:
  struct Entry;
  struct State {
    std::shared_ptr<sandbox::Launcher> launcher{};
    std::deque<std::shared_ptr<Entry>> waiting{};
    std::map<std::string, std::shared_ptr<Entry>> live{};  // by run and effect, waiting ones too
    std::vector<std::jthread> threads{};                   // made as they are needed
    std::size_t idle = 0;
    bool closing = false;
  };
  void work();

  CommandPoolOptions options_;
  Clock const& clock_;
  std::condition_variable changed_;
  Guarded<State> state_;
};

}  // namespace drover::driver
