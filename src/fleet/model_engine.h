#pragma once
// For tests and the simulator: an engine in memory that does what Docker does, as far as the fleet
// sees it. Its faults are asked for before and after each call.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "fleet/engine.h"

namespace drover::fleet {

class ModelEngine : public FleetEngine {
 public:
  struct Box {
    Actual seen{};
    bool foreign = false;
    std::string volume{};
    int starts = 0;
    int pid = 0;
    std::optional<WallTime> started{};
  };
  enum class Fault : std::uint8_t { none, down, answer_lost };

  explicit ModelEngine(std::string backend = "docker") : backend_(std::move(backend)) {}

  // ---- what is done to it from outside

  // Before each call: what goes wrong with it. A slow one waits in `pause`.
  std::function<Fault(std::string_view call)> fault = [](std::string_view) { return Fault::none; };
  std::function<Task<void>()> pause{};
  std::map<std::string, Box, std::less<>> boxes{};  // by id
  std::map<std::string, std::string, std::less<>>
      volumes;  // by name: whose; empty: somebody else's
  std::set<std::string, std::less<>> missing_images{};
  std::int64_t calls = 0;
  std::map<std::string, std::vector<std::string>> said{};  // by container, line by line
  int followers = 0;
  // Two that run on one volume at once: what must never be.
  std::vector<std::string> violations{};

  std::string add(Actual seen, bool foreign = false) {
    seen.id = fmt::format("c{:04}", ++made_);
    std::string const id = seen.id;
    std::string volume = foreign ? "" : seen.instance;
    boxes[id] = Box{std::move(seen), foreign, std::move(volume), 0, 0, {}};
    check_volumes();
    return id;
  }
  void take_away(std::string const& id) {
    if (boxes.erase(id) > 0) tell(EngineNews::Kind::gone, id);
  }
  void tell(EngineNews::Kind kind, std::string const& id = {}, LastEnd end = {}) {
    if (told_) told_(EngineNews{kind, id, end});
  }
  [[nodiscard]] std::size_t running(std::string_view instance) const {
    return static_cast<std::size_t>(std::ranges::count_if(boxes, [&](auto const& entry) {
      return entry.second.volume == instance && entry.second.seen.phase == Phase::running;
    }));
  }

  // ---- plainly, for the tests of the plan

  Result<std::string> make(Instance const& instance, std::string const& name) {
    if (missing_images.contains(instance.workload.image))
      return fail(ErrorCode::not_found, "the image {} is not here", instance.workload.image);
    DROVER_TRY(free(name));
    Actual seen;
    seen.name = name;
    seen.instance = instance.name;
    seen.agent = instance.of.agent;
    seen.hash = instance.hash;
    return add(std::move(seen));
  }
  Status run(std::string const& id) {
    DROVER_TRY(there(id));
    auto& box = boxes.at(id);
    if (box.seen.phase == Phase::removing)
      return fail(ErrorCode::conflict, "{} is being removed", id);
    if (box.seen.phase != Phase::running) {
      ++box.starts;
      box.pid = ++pids_;
    }
    box.seen.phase = Phase::running;
    check_volumes();
    return {};
  }
  Status call_it(std::string const& id, std::string const& name) {
    DROVER_TRY(there(id));
    DROVER_TRY(free(name));
    boxes.at(id).seen.name = name;
    return {};
  }
  [[nodiscard]] std::vector<Actual> seen() const {
    std::vector<Actual> all;
    for (auto const& [id, box] : boxes)
      if (!box.foreign) all.push_back(box.seen);
    return all;
  }

  // ---- FleetEngine

  [[nodiscard]] std::string_view backend() const override { return backend_; }
  Task<Result<std::vector<Actual>>> list() override {
    auto const went = co_await begin("list");
    if (went != Fault::none) co_return std::unexpected(away());
    co_return seen();
  }
  Task<Result<std::string>> create(Instance instance, std::string name) override {
    auto const went = co_await begin("create");
    if (went == Fault::down) co_return std::unexpected(away());
    auto made = make(instance, name);
    if (went == Fault::answer_lost) co_return std::unexpected(away());
    co_return made;
  }
  Task<Status> start(std::string container) override {
    auto const went = co_await begin("start");
    if (went == Fault::down) co_return std::unexpected(away());
    auto const started = run(container);
    if (went == Fault::answer_lost) co_return std::unexpected(away());
    if (started) tell(EngineNews::Kind::came, container);
    co_return started;
  }
  Task<Status> freeze(std::string container) override {
    auto const went = co_await begin("freeze");
    if (went == Fault::down) co_return std::unexpected(away());
    auto const found = boxes.find(container);
    if (found == boxes.end() || found->second.seen.phase != Phase::running)
      co_return fail(ErrorCode::conflict, "{} does not run", container);
    found->second.seen.phase = Phase::paused;
    if (went == Fault::answer_lost) co_return std::unexpected(away());
    co_return Status{};
  }
  Task<Status> unpause(std::string container) override { return start(std::move(container)); }
  Task<Status> rename(std::string container, std::string name) override {
    auto const went = co_await begin("rename");
    if (went == Fault::down) co_return std::unexpected(away());
    auto const renamed = call_it(container, name);
    if (went == Fault::answer_lost) co_return std::unexpected(away());
    co_return renamed;
  }
  Task<Status> remove(std::string container, Millis) override {
    auto const went = co_await begin("remove");
    if (went == Fault::down) co_return std::unexpected(away());
    take_away(container);
    if (went == Fault::answer_lost) co_return std::unexpected(away());
    co_return Status{};
  }
  Task<Result<VolumeState>> volume(Instance instance) override {
    auto const went = co_await begin("volume");
    if (went != Fault::none) co_return std::unexpected(away());
    auto const found = volumes.find(instance.volume);
    if (found == volumes.end()) co_return VolumeState::missing;
    co_return found->second == instance.name ? VolumeState::ours : VolumeState::foreign;
  }
  Task<Status> make_volume(Instance instance) override {
    auto const went = co_await begin("make-volume");
    if (went == Fault::down) co_return std::unexpected(away());
    volumes.emplace(instance.volume, instance.name);
    if (went == Fault::answer_lost) co_return std::unexpected(away());
    co_return Status{};
  }
  Task<Status> wipe_volume(Instance instance) override {
    auto const went = co_await begin("wipe-volume");
    if (went != Fault::none) co_return std::unexpected(away());
    volumes.erase(instance.volume);
    co_return Status{};
  }
  Task<Result<Vitals>> describe(std::string container) override {
    auto const went = co_await begin("describe");
    if (went != Fault::none) co_return std::unexpected(away());
    auto const found = boxes.find(container);
    if (found == boxes.end()) co_return fail(ErrorCode::not_found, "no container {}", container);
    Vitals vitals;
    vitals.phase = found->second.seen.phase;
    vitals.pid = found->second.pid;
    vitals.started = found->second.started;
    vitals.restarts = std::max(0, found->second.starts - 1);
    co_return vitals;
  }
  Task<Result<Usage>> usage(std::string) override { co_return Usage{}; }
  Task<Result<std::string>> logs(std::string container, int) override {
    co_return fmt::format("said by {}\n", container);
  }
  // Of what each container has written, in the order of `said`; a cursor is its number.
  Task<Result<std::unique_ptr<LogStream>>> follow(std::string container, LogStart start) override {
    auto const went = co_await begin("follow");
    if (went != Fault::none) co_return std::unexpected(away());
    if (!boxes.contains(container)) co_return fail(ErrorCode::not_found, "no {}", container);
    ++followers;
    co_return std::make_unique<Follower>(*this, std::move(container), std::move(start));
  }
  void watch(std::function<void(EngineNews const&)> told, std::function<bool()>) override {
    told_ = std::move(told);
  }
  Task<void> stop() override {
    told_ = nullptr;
    co_return;
  }

 private:
  class Follower final : public LogStream {
   public:
    Follower(ModelEngine& engine, std::string container, LogStart start)
        : engine_(engine), container_(std::move(container)) {
      auto const& all = engine_.said[container_];
      if (start.cursor.starts_with(container_ + "/"))
        next_ = std::stoul(start.cursor.substr(container_.size() + 1)) + 1;
      else if (start.cursor.empty() && start.lines > 0)
        next_ = all.size() - std::min(all.size(), static_cast<std::size_t>(start.lines));
    }
    ~Follower() override { --engine_.followers; }
    Follower(Follower const&) = delete;
    Follower& operator=(Follower const&) = delete;

    Task<Result<std::optional<LogBatch>>> next() override {
      auto const executor = co_await boost::asio::this_coro::executor;
      boost::asio::steady_timer timer{executor};
      while (!cancelled_) {
        auto const& all = engine_.said[container_];
        LogBatch batch;
        for (; next_ < all.size(); ++next_)
          batch.lines.push_back({all[next_], {}, fmt::format("{}/{}", container_, next_)});
        if (!batch.lines.empty()) co_return batch;
        auto const box = engine_.boxes.find(container_);
        if (box == engine_.boxes.end() || box->second.seen.phase != Phase::running) break;
        timer.expires_after(Millis{1});
        co_await timer.async_wait(boost::asio::use_awaitable);
      }
      co_return std::nullopt;
    }
    void cancel() override { cancelled_ = true; }

   private:
    ModelEngine& engine_;
    std::string container_;
    std::size_t next_ = 0;
    bool cancelled_ = false;
  };
  friend class Follower;

  Task<Fault> begin(std::string_view call) {
    ++calls;
    if (pause) co_await pause();
    co_return fault(call);
  }
  static Error away() { return {ErrorCode::unavailable, "no container engine answers", {}}; }
  [[nodiscard]] Status there(std::string const& id) const {
    if (boxes.contains(id)) return {};
    return fail(ErrorCode::not_found, "no container {}", id);
  }
  [[nodiscard]] Status free(std::string const& name) const {
    for (auto const& [id, box] : boxes)
      if (box.seen.name == name)
        return fail(ErrorCode::conflict, "the name {} is in use by {}", name, id);
    return {};
  }
  void check_volumes() {
    std::map<std::string, int> runs;
    for (auto const& [id, box] : boxes)
      if (!box.foreign && box.seen.phase == Phase::running && ++runs[box.volume] > 1)
        violations.push_back(fmt::format("two run on the state of {}", box.volume));
  }

  std::string backend_;
  int made_ = 0;
  int pids_ = 1000;
  std::function<void(EngineNews const&)> told_{};
};

}  // namespace drover::fleet
