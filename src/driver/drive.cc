#include "driver/drive.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>

#include "base/guarded.h"
#include "driver/driven_run.h"
#include "os/folder_watch.h"

namespace drover::driver {

namespace {

// Changes wake the driver; this is for file systems that do not tell of them.
constexpr Millis kLookAgain{5'000};

Millis until_next_timer(workflow::Iterated const& iterated, WallTime now) {
  auto const timer = next_timer(iterated);
  if (!timer) return kLookAgain;
  auto const left = to_unix_ms(*timer) - to_unix_ms(now);
  return std::min(kLookAgain, Millis{std::max<std::int64_t>(0, left)});
}

bool is_readable(int fd) {
  return fd >= 0 && os::is_readable(fd);
}

// The commands of one run that are at work, and what they came to.
class Commands {
 public:
  Commands(CommandPool* pool, std::string run_path)
      : pool_(pool), run_path_(std::move(run_path)), ended_(std::make_shared<Ended>()) {}
  ~Commands() {
    for (auto const& effect_id : under_way_)
      pool_->stop(run_path_, effect_id);
  }
  Commands(Commands const&) = delete;
  Commands& operator=(Commands const&) = delete;

  // Readable once a command has ended.
  [[nodiscard]] int fd() const { return ended_->wake.get(); }

  // Begins what waits. Whether the run has to be stepped again for it.
  Result<bool> begin(DrivenRun& run, workflow::Iterated const& iterated) {
    if (pool_ == nullptr) return false;
    stop_what_is_over(iterated);
    auto const is_command = [](workflow::NextAction const& action) {
      return names_a_command(action.effect.kind, action.definition);
    };
    if (std::ranges::none_of(iterated.actions, is_command)) return false;
    DROVER_TRY(pool_->ready());
    auto begun = run.begin_commands(iterated.actions, {under_way_.begin(), under_way_.end()});
    if (!begun) return std::unexpected(begun.error());
    for (auto& job : begun->jobs) {
      std::string const effect_id = job.effect.id;
      under_way_.insert(effect_id);
      pool_->begin(std::move(job), [ended = ended_, effect_id](workflow::TaskResult result) {
        ended->results.lock()->emplace_back(effect_id, std::move(result));
        ended->signal();
      });
    }
    return begun->settled > 0;
  }

  // Posts what has ended; whether there was something.
  Result<bool> post(DrivenRun& run) {
    if (!is_readable(fd())) return false;
    ended_->clear();
    std::deque<std::pair<std::string, workflow::TaskResult>> results;
    results.swap(*ended_->results.lock());
    for (auto& [effect_id, result] : results) {
      under_way_.erase(effect_id);
      auto const posted = run.post(effect_id, std::move(result));
      // One that ended meanwhile stays as it is.
      if (!posted && posted.error().code != ErrorCode::conflict)
        return std::unexpected(posted.error());
    }
    return !results.empty();
  }

 private:
  // Shared with the pool's threads, which may be at it when the drive has failed.
  struct Ended {
    Guarded<std::deque<std::pair<std::string, workflow::TaskResult>>> results;
    os::Fd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    void signal() const {
      std::uint64_t const one = 1;
      static_cast<void>(::write(wake.get(), &one, sizeof one) == sizeof one);
    }
    void clear() const {
      std::uint64_t count = 0;
      static_cast<void>(::read(wake.get(), &count, sizeof count) == sizeof count);
    }
  };

  // Cancelled by the process, or posted by somebody else.
  void stop_what_is_over(workflow::Iterated const& iterated) {
    std::erase_if(under_way_, [&](std::string const& effect_id) {
      bool const waits = std::ranges::any_of(
          iterated.actions,
          [&](workflow::NextAction const& action) { return action.effect.id == effect_id; });
      if (!waits) pool_->stop(run_path_, effect_id);
      return !waits;
    });
  }

  CommandPool* pool_;
  std::string run_path_;
  std::shared_ptr<Ended> ended_;
  std::set<std::string> under_way_;
};

}  // namespace

Result<workflow::Iterated> drive(workflow::RunFolder const& folder, DriveOptions const& options,
                                 Clock const& clock, Random& random) {
  DrivenRun run{folder, options.host, clock, random};
  Commands commands{options.commands, folder.path()};
  auto watch = os::FolderWatch::on(folder.journal());
  if (!watch) return std::unexpected(watch.error());
  // A second one would begin the same commands.
  if (options.commands != nullptr) DROVER_TRY(run.take());
  for (std::uint64_t told = 0;;) {
    auto const posted = commands.post(run);
    if (!posted) return std::unexpected(posted.error());
    auto iterated = run.step();
    if (!iterated || iterated->state != workflow::IterateState::waiting) return iterated;
    if (run.rested_at() != told) options.waiting(*iterated);
    auto const again = commands.begin(run, *iterated);
    if (!again) return std::unexpected(again.error());
    told = run.rested_at();
    if (*again) continue;
    auto const wait = until_next_timer(*iterated, clock.now());
    auto const seen = watch->wait(wait, {options.stop_fd, commands.fd()});
    if (!seen) return std::unexpected(seen.error());
    bool const stopped = is_readable(options.stop_fd);
    if (stopped || *seen == os::FolderWatch::Seen::timeout) DROVER_TRY(run.save_state());
    if (stopped) return iterated;
  }
}

}  // namespace drover::driver
