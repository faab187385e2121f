#pragma once
// One pass over one engine: looks at what it has, plans (plan.h), carries the steps out, several
// instances at once, and looks a second time for what came in between, such as a creation whose
// answer was lost.
//
// On the event loop; lives while run() does.
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/time.h"
#include "fleet/engine.h"
#include "fleet/instance_book.h"
#include "fleet/instance_states.h"
#include "fleet/pass_terms.h"
#include "fleet/plan.h"
#include "fleet/wanted.h"

namespace drover::fleet {

struct PassParts {
  boost::asio::any_io_executor executor;
  FleetEngine& engine;
  InstanceBook& book;
  InstanceStates& states;
  Wanted const& wanted;
  bool const& stopping;  // what has not begun is left
};

struct PassOptions {
  Scope scope{};
  std::string prefix{};
  Millis grace{};  // between SIGTERM and SIGKILL
  std::size_t at_once = 1;
};

class EnginePass {
 public:
  EnginePass(PassParts parts, PassOptions options);
  EnginePass(EnginePass const&) = delete;
  EnginePass& operator=(EnginePass const&) = delete;

  // Adds what became of each instance.
  Task<void> run(Summary& summary);

 private:
  struct Job {
    InstancePlan plan{};
    Status done{};
    bool put_off = false;  // a turn has begun since it was planned
  };
  enum class Round : std::uint8_t { first, second };

  Task<Result<std::vector<Actual>>> look();
  [[nodiscard]] std::vector<InstancePlan> plans(std::vector<Actual> const& actual) const;
  void choose_jobs(Round round, std::vector<InstancePlan> plans);
  [[nodiscard]] bool is_worth_a_try(Round round, InstancePlan const& plan);
  Task<void> carry_out_jobs();
  Task<void> work_off();
  Task<Status> carry_out(Job& job);
  Task<Result<std::string>> create(std::string instance, std::string name);
  void note_jobs(Round round);
  void fail_all(Error const& error);
  void sum_up(Summary& summary) const;

  PassParts parts_;
  PassOptions options_;
  std::map<std::string, Outcome> outcomes_;  // of what succeeded
  std::map<std::string, Error> failures_;
  std::vector<Job> jobs_;  // of this round
  std::size_t next_job_ = 0;
};

}  // namespace drover::fleet
