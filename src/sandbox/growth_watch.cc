#include "sandbox/growth_watch.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "os/process.h"
#include "sandbox/members.h"

namespace drover::sandbox {

namespace {

Millis now_ms() {
  return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch());
}

// Everything the sandbox holds on the disks of its workspaces.
Result<TreeSize> measure(std::vector<std::string> const& folders, pid_t init) {
  auto size = measure_trees(folders);
  if (size) *size += measure_unnamed(members_of_init(init), folders);
  return size;
}

}  // namespace

void GrowthWatch::Watched::resume() {
  restart_ = true;
  paused_ = false;
}

std::string GrowthWatch::Watched::excess() const {
  std::scoped_lock const lock{mutex_};
  return excess_;
}

GrowthWatch::~GrowthWatch() {
  thread_.request_stop();
  changed_.notify_all();
}

Result<std::shared_ptr<GrowthWatch::Watched>> GrowthWatch::add(std::vector<std::string> folders,
                                                               std::uint64_t limit_mb, pid_t init,
                                                               int pidfd) {
  auto watched = std::make_shared<Watched>();
  watched->folders_ = std::move(folders);
  watched->limit_mb_ = limit_mb;
  watched->init_ = init;
  watched->pidfd_ = os::Fd{::fcntl(pidfd, F_DUPFD_CLOEXEC, 3)};
  if (!watched->pidfd_.valid()) return fail_errno("copy", "the descriptor of a sandbox");
  watched->meter_ = std::make_unique<GrowthMeter>(limit_mb << 20U);
  std::scoped_lock const lock{mutex_};
  all_.push_back(watched);
  if (!thread_.joinable())
    thread_ = std::jthread{[this](std::stop_token const& stop) { run(stop); }};
  changed_.notify_all();
  return watched;
}

void GrowthWatch::remove(std::shared_ptr<Watched> const& watched) {
  std::scoped_lock const lock{mutex_};
  std::erase(all_, watched);
}

void GrowthWatch::run(std::stop_token const& stop) {
  std::vector<std::shared_ptr<Watched>> round;
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, stop, [this] { return !all_.empty(); });
      round = all_;
    }
    for (auto const& watched : round)
      if (!watched->paused_) look(*watched, now_ms());
    round.clear();
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, stop, kTick, [] { return false; });
  }
}

void GrowthWatch::look(Watched& watched, Millis now) {
  if (watched.restart_.exchange(false)) watched.meter_->restart();
  auto const free = free_bytes(watched.folders_);
  if (!watched.meter_->due(now, free)) return;
  auto const size = measure(watched.folders_, watched.init_);
  std::string excess;
  if (!size) {
    excess = size.error().message;
  } else if (auto const grown = watched.meter_->measured(now_ms(), now_ms() - now, *size, free)) {
    excess = fmt::format("its workspaces grew by {} MiB, and the limit is {} MiB", *grown >> 20U,
                         watched.limit_mb_);
  }
  if (excess.empty()) return;
  {
    std::scoped_lock const lock{watched.mutex_};
    watched.excess_ = excess;
  }
  watched.paused_ = true;
  log::warn("sandbox-over-disk", {{"pid", watched.init_}, {"reason", excess}});
  (void)os::send_signal(watched.pidfd_.get(), SIGKILL);
}

}  // namespace drover::sandbox
