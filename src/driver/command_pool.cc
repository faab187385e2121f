#include "driver/command_pool.h"

#include <sys/eventfd.h>

#include <cstdint>
#include <utility>

#include "base/check.h"
#include "os/files.h"

namespace drover::driver {

namespace {

std::string key_of(std::string const& run_path, std::string const& effect_id) {
  return run_path + "\n" + effect_id;
}

}  // namespace

struct CommandPool::Entry {
  CommandJob job;
  Ended ended;
  os::Fd stop{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

  void ask_to_stop() const {
    std::uint64_t const one = 1;
    // It fails only where it is readable already.
    static_cast<void>(
        !os::write_all(stop.get(), {reinterpret_cast<char const*>(&one), sizeof one}, "a stop"));
  }
};

CommandPool::CommandPool(CommandPoolOptions options, Clock const& clock)
    : options_(std::move(options)), clock_(clock) {}

CommandPool::~CommandPool() {
  std::vector<std::jthread> threads;
  {
    auto state = state_.lock();
    state->closing = true;
    state->waiting.clear();
    for (auto const& [key, entry] : state->live)
      entry->ask_to_stop();
    threads.swap(state->threads);
  }
  changed_.notify_all();
}

Status CommandPool::ready() {
  auto state = state_.lock();
  if (state->launcher) return {};
  auto launcher = options_.launcher();
  if (!launcher) return std::unexpected(launcher.error());
  state->launcher = *std::move(launcher);
  return {};
}

void CommandPool::begin(CommandJob job, Ended ended) {
  auto entry = std::make_shared<Entry>(std::move(job), std::move(ended));
  DROVER_CHECK(entry->stop.valid());
  {
    auto state = state_.lock();
    DROVER_CHECK(state->launcher != nullptr);
    auto const key = key_of(entry->job.run.path(), entry->job.effect.id);
    if (state->closing || !state->live.emplace(key, entry).second) return;
    state->waiting.push_back(std::move(entry));
    if (state->idle < state->waiting.size() && state->threads.size() < options_.slots)
      state->threads.emplace_back([this] { work(); });
  }
  changed_.notify_one();
}

void CommandPool::stop(std::string const& run_path, std::string const& effect_id) {
  auto state = state_.lock();
  auto const found = state->live.find(key_of(run_path, effect_id));
  if (found != state->live.end()) found->second->ask_to_stop();
}

void CommandPool::work() {
  auto state = state_.lock();
  while (!state->closing) {
    if (state->waiting.empty()) {
      ++state->idle;
      changed_.wait(state.lock());
      --state->idle;
      continue;
    }
    auto const entry = std::move(state->waiting.front());
    state->waiting.pop_front();
    CommandTools const tools{*state->launcher, options_.node};
    state.lock().unlock();
    auto result = carry_out(tools, entry->job, entry->stop.get(), clock_);
    if (result) entry->ended(*std::move(result));
    state.lock().lock();
    state->live.erase(key_of(entry->job.run.path(), entry->job.effect.id));
  }
}

}  // namespace drover::driver
