#include "workflow/drive.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "os/folder_watch.h"
#include "workflow/state_cache.h"

namespace drover::workflow {

namespace {

// Changes wake the driver; this is for file systems that do not tell of them.
constexpr Millis kLookAgain{5'000};

Millis until_next_timer(Iterated const& iterated, WallTime now) {
  auto wait = kLookAgain;
  for (auto const& action : iterated.actions) {
    auto const* const definition = action.definition.if_object();
    auto const* const sleep = definition == nullptr ? nullptr : definition->if_contains("sleep");
    if (sleep == nullptr || !sleep->is_object()) continue;
    auto const target = integer_or(sleep->get_object(), "targetEpochMs", 0);
    wait = std::min(wait, Millis{std::max<std::int64_t>(0, target - to_unix_ms(now))});
  }
  return wait;
}

class Driver {
 public:
  Driver(RunFolder const& folder, DriveOptions const& options, Clock const& clock, Random& random)
      : folder_(folder), options_(options), clock_(clock), random_(random) {}

  // One pass under the lock.
  Result<Iterated> step() {
    DROVER_TRY(take_up());
    auto iterated = step_locked();
    run_->release();
    return iterated;
  }

  // state.json is only for readers, so that it is made when nothing else is to be done.
  Status save_state() {
    if (!run_ || seen_ == saved_) return {};
    DROVER_TRY(take_up());
    auto const saved = run_->save_state("journal_mismatch");
    run_->release();
    saved_ = seen_;
    return saved;
  }

 private:
  static constexpr std::string_view kOwner = "runtime:orchestrateIteration";

  Status take_up() {
    if (run_) return run_->take_up(kOwner);
    auto run = OpenRun::open(folder_, kOwner, clock_, random_);
    if (!run) return std::unexpected(run.error());
    run_.emplace(*std::move(run));
    return {};
  }

  Result<Iterated> step_locked() {
    if (auto ended = ended_before(run_->record(), run_->history())) return *std::move(ended);
    if (!execution_) {
      auto const prepared = prepare(*run_);
      if (!prepared) return std::unexpected(prepared.error());
      auto started = Execution::start(*run_, options_.host);
      if (!started) return std::unexpected(started.error());
      execution_.emplace(*std::move(started));
    }
    auto pass = execution_->pass(*run_);
    if (!pass) return std::unexpected(pass.error());
    auto iterated = conclude(*run_, *std::move(pass));
    auto const head = run_->history().head().seq;
    if (iterated && iterated->state == IterateState::waiting && head != seen_) {
      seen_ = head;
      options_.waiting(*iterated);
    }
    return iterated;
  }

  RunFolder const& folder_;
  DriveOptions const& options_;
  Clock const& clock_;
  Random& random_;
  std::optional<OpenRun> run_;
  std::optional<Execution> execution_;
  std::uint64_t seen_ = 0;   // the last entry, when the run last came to rest
  std::uint64_t saved_ = 0;  // and when state.json was last made
};

bool is_stopped(int fd) {
  return fd >= 0 && os::is_readable(fd);
}

}  // namespace

Result<Iterated> drive(RunFolder const& folder, DriveOptions const& options, Clock const& clock,
                       Random& random) {
  Driver driver{folder, options, clock, random};
  auto watch = os::FolderWatch::on(folder.journal());
  if (!watch) return std::unexpected(watch.error());
  for (;;) {
    auto iterated = driver.step();
    if (!iterated || iterated->state != IterateState::waiting) return iterated;
    auto const wait = until_next_timer(*iterated, clock.now());
    auto const seen = watch->wait(wait, options.stop_fd);
    if (!seen) return std::unexpected(seen.error());
    bool const stopped = is_stopped(options.stop_fd);
    if (stopped || *seen == os::FolderWatch::Seen::timeout) DROVER_TRY(driver.save_state());
    if (stopped) return iterated;
  }
}

Result<json::value> query(RunFolder const& folder, std::string_view name,
                          json::value const& arguments, HostSpec const& host, Clock const& clock,
                          Random& random) {
  auto run = OpenRun::open(folder, "runtime:query", clock, random);
  if (!run) return std::unexpected(run.error());
  auto execution = Execution::start(*run, host);
  if (!execution) return std::unexpected(execution.error());
  auto const pass = execution->pass(*run);
  if (!pass) return std::unexpected(pass.error());
  return execution->query(name, arguments);
}

}  // namespace drover::workflow
