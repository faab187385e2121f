#include "runtime/warm_containers.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "os/files.h"
#include "runtime/container_mounts.h"

namespace drover::runtime {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr Millis kFirstWait{1'000};
constexpr Millis kLongestWait{60'000};
// The one that was taken begins before the next one is started.
constexpr Millis kCalm{250};
constexpr Millis kGone{30'000};
// Between the start of a container and its program's first read.
constexpr Millis kReady{2'000};
constexpr Millis kLook{5};
constexpr std::size_t kIdBytes = 8;

Status make_fifo(std::string const& path, uid_t owner) {
  if (::mkfifo(path.c_str(), 0400) != 0) return fail_errno("create", path);
  if (::chown(path.c_str(), owner, owner) != 0) return fail_errno("give away", path);
  return {};
}

// Blocks until the program listens.
Result<os::Fd> open_fifo(std::string const& path) {
  auto const deadline = steady_clock::now() + kReady;
  for (;;) {
    os::Fd fifo{::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW)};
    if (fifo.valid()) return fifo;
    if (errno != ENXIO) return fail_errno("open", path);
    if (steady_clock::now() > deadline)
      return fail(ErrorCode::timeout, "the program of a warm container does not listen on {}",
                  path);
    std::this_thread::sleep_for(kLook);
  }
}

Status write_to(int fifo, std::string_view text) {
  auto const deadline = steady_clock::now() + kReady;
  while (!text.empty()) {
    auto const written = ::write(fifo, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return fail_errno("write to", "a warm container");
    if (steady_clock::now() > deadline)
      return fail(ErrorCode::timeout, "a warm container does not read what it is");
    pollfd room{.fd = fifo, .events = POLLOUT, .revents = 0};
    ::poll(&room, 1, static_cast<int>(kReady.count()));
  }
  return {};
}

std::string start_text(sandbox::SandboxSpec const& spec) {
  std::string text = spec.cwd + '\0';
  for (auto const& line : spec.env)
    text += line + '\0';
  return text;
}

bool same(BoundSource const& bind, sandbox::Mount const& mount) {
  return bind.target == mount.target && bind.source == mount.source;
}

}  // namespace

std::string WarmContainers::fifo_of(WarmContainer const& warm) const {
  return fmt::format("{}/{}/start", parts_.folder, warm.id);
}

WarmPlan WarmContainers::plan() const {
  std::vector<WarmNeed> needs;
  for (auto const& [kind, wish] : wishes_)
    needs.push_back({kind, wish.count});
  std::vector<WarmHeld> held;
  for (auto const& warm : held_)
    held.push_back({warm->container, warm_kind(warm->wish.spec), warm->gone});
  return plan_warm(needs, held);
}

Task<Status> WarmContainers::want(std::vector<WarmWish> wishes, std::shared_ptr<void> owner) {
  if (!wishes.empty() && ::geteuid() != 0)
    co_return fail_next(ErrorCode::unsupported,
                        "containers ahead of need are given their workspaces by root alone",
                        "run drover as root, or leave warm out of the agent");
  wishes_.clear();
  for (auto& wish : wishes) {
    auto const count = wish.count;
    auto kind = warm_kind(wish.spec);
    auto const [place, fresh] = wishes_.try_emplace(std::move(kind), std::move(wish));
    if (!fresh) place->second.count += count;
  }
  retry_at_ = {};
  wait_ = Millis{0};
  changed_.notify();
  if (!keeping_ && !wishes_.empty()) {
    keeping_ = true;
    asio::co_spawn(parts_.executor, keep(*this, owner), asio::detached);
  }
  auto const deadline = steady_clock::now() + kGone;
  while (keeping_ && !closed_ && has_unwanted() && steady_clock::now() < deadline) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen, deadline);
  }
  co_return Status{};
}

bool WarmContainers::has_unwanted() const {
  bool const starts = starting_ != nullptr && !wishes_.contains(warm_kind(starting_->wish.spec));
  return starts || removing_ || !plan().remove.empty();
}

Task<void> WarmContainers::keep(WarmContainers& self, std::shared_ptr<void> owner) {
  while (!self.closed_) {
    auto const seen = self.changed_.version();
    auto const plan = self.plan();
    if (!plan.remove.empty()) {
      co_await self.discard(plan.remove.front());
    } else if (plan.start.empty()) {
      co_await self.changed_.wait(seen);
    } else if (steady_clock::now() < self.retry_at_) {
      co_await self.changed_.wait(seen, self.retry_at_);
    } else {
      auto const started = co_await self.start_one(plan.start.front());
      if (started) continue;
      self.wait_longer();
      if (!self.closed_)
        log::warn("warm-container-failed",
                  {{"reason", started.error().text()}, {"again_in_s", self.wait_.count() / 1000}});
    }
  }
}

Task<Status> WarmContainers::start_one(std::string kind) {
  auto const uid = parts_.uids.take();
  if (!uid) co_return std::unexpected(uid.error());
  auto warm = std::make_shared<WarmContainer>();
  warm->wish = wishes_.at(kind);
  warm->uid = *uid;
  std::string bytes(kIdBytes, '\0');
  parts_.random.fill(std::as_writable_bytes(std::span{bytes}));
  warm->id = WorkloadId::trusted("warm-" + to_hex(bytes));
  starting_ = warm;
  auto const up = co_await bring_up(warm);
  starting_.reset();
  if (closed_) co_return fail(ErrorCode::cancelled, "drover ends");
  if (up && !warm->gone) {
    held_.push_back(warm);
    log::info("container-warm", {{"container", warm->container.substr(0, 12)}});
  } else {
    co_await clean(warm);
  }
  changed_.notify();
  if (up && warm->gone) co_return fail(ErrorCode::unavailable, "its program ended at once");
  co_return up;
}

Task<Status> WarmContainers::bring_up(WarmPtr warm) {
  auto const server = co_await hooks_.server();
  if (!server) co_return std::unexpected(server.error());
  WorkloadSpec spec = warm->wish.spec;
  spec.id = warm->id;
  spec.sandbox.argv = warm->wish.waiting;
  spec.sandbox.env.clear();
  auto const told = [](std::string const&) {};
  auto terms = co_await parts_.maker.terms(spec, *server, warm->uid, told);
  if (!terms) co_return std::unexpected(terms.error());
  auto prepare = [this, warm, spec,
                  uid = terms->container.host_uid]() -> Result<std::vector<BoundSource>> {
    std::string const fifo = fifo_of(*warm);
    DROVER_TRY(os::make_folders(fifo.substr(0, fifo.rfind('/')), 0700));
    DROVER_TRY(make_fifo(fifo, uid));
    auto binds = parts_.binds.make(warm->id, spec.sandbox, uid);
    if (binds) binds->push_back({fifo, spec.sandbox.argv.back(), sandbox::MountMode::ro});
    return binds;
  };
  auto binds = co_await parts_.pool.run(std::move(prepare));
  if (!binds) co_return std::unexpected(binds.error());
  terms->container.binds = *std::move(binds);
  terms->container.places = warm->wish.places;
  auto request = parts_.maker.request(spec, *terms);
  if (!request) co_return std::unexpected(request.error());
  auto created = co_await parts_.maker.create(*server, warm->id, std::move(request->body));
  if (!created) co_return std::unexpected(created.error());
  warm->container = *std::move(created);
  auto const started = co_await parts_.engine.start(warm->container);
  if (!started) co_return started;
  auto const seen = co_await parts_.engine.inspect(warm->container);
  if (!seen) co_return std::unexpected(seen.error());
  auto finish = [this, warm, pid = seen->pid]() -> Status {
    auto program = open_program(pid, warm->container);
    if (!program) return std::unexpected(program.error());
    warm->program = *std::move(program);
    return parts_.binds.release(warm->id);
  };
  co_return co_await parts_.pool.run(std::move(finish));
}

// What there is of it: the container, the FIFO, the uid.
Task<void> WarmContainers::clean(WarmPtr warm) {
  if (!warm->container.empty()) {
    auto const removed = co_await parts_.engine.remove(warm->container);
    if (!removed)
      log::warn("warm-container-left",
                {{"container", warm->container.substr(0, 12)}, {"reason", removed.error().text()}});
  }
  auto job = [this, warm]() -> Status {
    DROVER_TRY(parts_.binds.release(warm->id));
    return os::remove_tree(fmt::format("{}/{}", parts_.folder, warm->id));
  };
  auto const cleaned = co_await parts_.pool.run(std::move(job));
  if (!cleaned) log::warn("warm-container-left", {{"reason", cleaned.error().text()}});
  parts_.uids.give_back(warm->uid);
}

Task<void> WarmContainers::discard(std::string container) {
  auto const found = std::ranges::find_if(
      held_, [&](WarmPtr const& warm) { return warm->container == container; });
  if (found == held_.end()) co_return;
  WarmPtr const warm = *found;
  held_.erase(found);
  removing_ = true;
  co_await clean(warm);
  removing_ = false;
  changed_.notify();
}

WarmPtr WarmContainers::take(WorkloadSpec const& spec) {
  auto const found = std::ranges::find_if(
      held_, [&](WarmPtr const& warm) { return !warm->gone && fits(warm->wish, spec); });
  if (found == held_.end()) return nullptr;
  WarmPtr warm = *found;
  held_.erase(found);
  wait_ = Millis{0};
  retry_at_ = steady_clock::now() + kCalm;
  changed_.notify();
  return warm;
}

Task<Status> WarmContainers::hand_over(WarmPtr warm, WorkloadSpec spec,
                                       std::vector<BoundSource> binds) {
  // Those that it has from the beginning.
  std::erase_if(binds, [&](BoundSource const& bind) {
    return std::ranges::any_of(warm->wish.spec.sandbox.mounts,
                               [&](sandbox::Mount const& mount) { return same(bind, mount); });
  });
  auto job = [this, warm, spec, binds]() -> Status {
    std::string const path = fifo_of(*warm);
    auto const fifo = open_fifo(path);
    if (!fifo) return std::unexpected(fifo.error());
    DROVER_TRY(mount_into(warm->program.get(), binds));
    DROVER_TRY(write_to(fifo->get(), start_text(spec.sandbox)));
    return os::remove_tree(path.substr(0, path.rfind('/')));
  };
  co_return co_await parts_.pool.run(std::move(job));
}

void WarmContainers::lost(std::string const& container) {
  auto const mark = [&](WarmPtr const& warm) {
    if (warm != nullptr && warm->container == container) warm->gone = true;
  };
  mark(starting_);
  std::ranges::for_each(held_, mark);
  if (std::ranges::any_of(held_, [](WarmPtr const& warm) { return warm->gone; })) wait_longer();
  changed_.notify();
}

// One that does not come up, or does not stay, is not started again at once.
void WarmContainers::wait_longer() {
  wait_ = std::clamp(wait_ * 2, kFirstWait, kLongestWait);
  retry_at_ = steady_clock::now() + wait_;
}

std::vector<KnownContainer> WarmContainers::known() const {
  std::vector<KnownContainer> known;
  for (auto const& warm : held_)
    known.push_back({warm->id, warm->container, {}, ContainerPhase::started});
  if (starting_) known.push_back({starting_->id, {}, {}, ContainerPhase::creating});
  return known;
}

void WarmContainers::close() {
  closed_ = true;
  held_.clear();
  changed_.notify();
}

}  // namespace drover::runtime
