#include "sim/fleet_world.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "fleet/model_engine.h"
#include "fleet/reconciler.h"
#include "fleet/rows.h"
#include "sim/disk.h"
#include "sim/machine.h"

namespace drover::sim {

namespace {

using fleet::Actual;
using fleet::ModelEngine;
using fleet::Phase;

constexpr char const* kStore = "fleet.db";
constexpr int kSteps = 160;
constexpr Nanos kStepMost{std::chrono::seconds{8}};
constexpr Nanos kSlice{std::chrono::milliseconds{100}};
// Longer than the longest wait between two tries.
constexpr Nanos kMended{std::chrono::minutes{12}};
constexpr Nanos kRest{std::chrono::minutes{10}};
constexpr std::int64_t kCallsAtRest = 12;
constexpr pid_t kUnknownProgram = 0;  // nobody here asks which it is
constexpr std::array<std::string_view, 4> kNames{"dev", "dev-2", "ops", "writer"};

store::OpenOptions on_disk() {
  store::OpenOptions options;
  options.vfs = kVfs;
  options.home = store::OpenOptions::Home::vfs;
  return options;
}

template <class T>
T require(Result<T> result) {
  if (!result) throw Violation{result.error().text()};
  return *std::move(result);
}
void require(Status const& status) {
  if (!status) throw Violation{status.error().text()};
}

// One life of the server's fleet. What is under way when it ends never goes on.
struct Life {
  static Task<void> wait_a_little(boost::asio::io_context& io, Random& random) {
    constexpr std::uint64_t kSlowest = 400;
    boost::asio::steady_timer timer{io, std::chrono::milliseconds{random.below(kSlowest)}};
    co_await timer.async_wait(boost::asio::use_awaitable);
  }

  explicit Life(ModelEngine& engine, Clock const& clock, Random& random,
                std::vector<contract::AgentSpec> const& agents) {
    store::WriterOptions writing;
    writing.drive = store::WriterDrive::by_owner;
    auto database = require(store::Database::open(kStore, store::OpenMode::writer, on_disk()));
    require(store::migrate(database, fleet::fleet_migrations()));
    writer = std::make_unique<store::Writer>(std::move(database), io->get_executor(), writing);
    engine.pause = [this, &random] { return wait_a_little(*io, random); };
    fleet::ReconcilerParts parts{
        .executor = io->get_executor(),
        .clock = clock,
        .random = random,
        .writer = *writer,
        .agents = [&agents] { return agents; },
        .engines = {&engine},
        .prepare_host = [](fleet::Instance) -> Task<Status> { co_return Status{}; },
        .wipe_host = [](fleet::Instance) -> Task<Status> { co_return Status{}; },
    };
    fleet::ReconcilerOptions options;
    options.places.state_folder = "/var/lib/drover";
    options.places.backend = "docker";
    options.places.image = "agents:1";
    reconciler = std::make_unique<fleet::Reconciler>(std::move(parts), options);
    auto reader = require(store::Database::open(kStore, store::OpenMode::reader, on_disk()));
    require(reconciler->load(reader));
    reconciler->watch();
    reconciler->trigger();
    boost::asio::co_spawn(*io, reconciler->run(), boost::asio::detached);
  }
  ~Life() {
    // What waits for it goes with each of them, and refers to the reconciler.
    writer.reset();
    io.reset();
  }
  Life(Life const&) = delete;
  Life& operator=(Life const&) = delete;

  // All that can happen at this moment.
  void pump() const {
    for (;;) {
      io->restart();
      bool const moved = io->poll() > 0;
      if (writer->advance() == store::WriterStep::nothing && !moved) return;
    }
  }

  std::unique_ptr<boost::asio::io_context> io = std::make_unique<boost::asio::io_context>();
  std::unique_ptr<store::Writer> writer;
  std::unique_ptr<fleet::Reconciler> reconciler;
};

class FleetWorld {
 public:
  explicit FleetWorld(WorldOptions const& options)
      : dice_(options.seed),
        trace_(machine_, options.trace),
        disk_(dice_, {}),
        random_(options.seed) {
    engine_.fault = [this](std::string_view call) { return fault_of(call); };
  }

  void play();
  [[nodiscard]] Played played() const {
    Played result;
    result.hash = trace_.hash();
    result.steps = trace_.steps();
    result.operations = disk_.operations();
    result.lives = lives_;
    return result;
  }

 private:
  void begin_life();
  void end_life();
  void pass_time(Nanos time);
  void step();
  void edit();
  void disturb();
  void work();
  void beat();
  ModelEngine::Fault fault_of(std::string_view call);
  [[nodiscard]] std::string_view name() { return kNames.at(dice_.below(kNames.size())); }
  contract::AgentSpec* find(std::string_view agent);
  void remember_volumes();
  void watch_over(std::string_view when);
  void inspect();

  Machine machine_;
  SystemClock clock_;
  Dice dice_;
  Trace trace_;
  Disk disk_;
  SeededRandom random_;
  ModelEngine engine_;
  std::vector<contract::AgentSpec> agents_;
  std::unique_ptr<Life> life_;
  std::set<std::string> made_;                  // volumes that have been there
  std::set<std::string> foreign_;               // containers of somebody else's
  std::map<std::string, std::string> at_work_;  // by container: the instance whose turn it is
  std::set<std::string> spoiled_;               // containers that are to be replaced
  bool down_ = false;
  bool losing_ = false;
  bool mended_ = false;
  std::size_t lives_ = 0;
};

void FleetWorld::begin_life() {
  ++lives_;
  life_ = std::make_unique<Life>(engine_, clock_, random_, agents_);
  trace_.note("server {} begins", lives_);
}

void FleetWorld::end_life() {
  life_.reset();
  at_work_.clear();  // a turn dies with its server
  spoiled_.clear();  // and what the next one begins with is looked at by its first turn
  engine_.pause = nullptr;
  engine_.watch(nullptr, nullptr);
  disk_.crash(dice_.one_in(3) ? Disk::Loss::power : Disk::Loss::process);
  trace_.note("server {} died", lives_);
}

void FleetWorld::pass_time(Nanos time) {
  while (time > Nanos{0}) {
    auto const slice = std::min(time, kSlice);
    machine_.advance(slice);
    time -= slice;
    if (life_) life_->pump();
    beat();
    watch_over("in passing");
  }
}

ModelEngine::Fault FleetWorld::fault_of(std::string_view call) {
  if (mended_) return ModelEngine::Fault::none;
  if (down_) return ModelEngine::Fault::down;
  if (!losing_ || !dice_.one_in(4)) return ModelEngine::Fault::none;
  trace_.note("the answer to {} is lost", call);
  return ModelEngine::Fault::answer_lost;
}

contract::AgentSpec* FleetWorld::find(std::string_view agent) {
  auto const found = std::ranges::find(agents_, agent, &contract::AgentSpec::name);
  return found == agents_.end() ? nullptr : &*found;
}

void FleetWorld::edit() {
  std::string const one{name()};
  auto* const known = find(one);
  if (known == nullptr) {
    contract::AgentSpec agent;
    agent.name = one;
    agent.resident = true;
    agent.replicas = static_cast<std::int64_t>(1 + dice_.below(3));
    agents_.push_back(std::move(agent));
  } else if (dice_.one_in(3)) {
    std::erase_if(agents_, [&](auto const& agent) { return agent.name == one; });
  } else if (dice_.one_in(2)) {
    known->env["TEAM"] = fmt::format("{}", dice_.below(3));
  } else {
    known->enabled = dice_.one_in(2);
    known->replicas = static_cast<std::int64_t>(1 + dice_.below(3));
  }
  trace_.note("{} is edited", one);
  if (life_ && dice_.one_in(2)) life_->reconciler->trigger(one);
}

void FleetWorld::disturb() {
  if (dice_.one_in(6)) {
    Actual other;
    other.name = fleet::container_name("drover", name());
    other.phase = Phase::running;
    bool const taken = std::ranges::any_of(
        engine_.boxes, [&](auto const& entry) { return entry.second.seen.name == other.name; });
    if (!taken) foreign_.insert(engine_.add(other, true));
    return;
  }
  if (engine_.boxes.empty()) return;
  auto const at = std::next(engine_.boxes.begin(),
                            static_cast<std::ptrdiff_t>(dice_.below(engine_.boxes.size())));
  if (at->second.foreign) return;
  std::string const id = at->first;
  auto& seen = at->second.seen;
  at_work_.erase(id);
  spoiled_.erase(id);  // it may begin anew
  trace_.note("somebody takes hold of {}", seen.name);
  switch (dice_.below(5)) {
    case 0:
      seen.phase = Phase::paused;
      return engine_.tell(fleet::EngineNews::Kind::look, id);
    case 1:
      seen.phase = Phase::ended;
      return engine_.tell(fleet::EngineNews::Kind::ended, id);
    case 2:
      seen.name = fmt::format("by-hand-{}", dice_.below(1'000'000));
      return engine_.tell(fleet::EngineNews::Kind::look, id);
    case 3:
      seen.image_moved = true;
      return;
    default:
      engine_.take_away(id);
  }
}

// A turn begins in one that is live, or ends.
void FleetWorld::work() {
  if (!life_) return;
  auto const live = life_->reconciler->live();
  if (live.empty()) return;
  auto const& one = live.at(dice_.below(live.size()));
  auto const box = engine_.boxes.find(one.container);
  // What somebody has just paused or ended says nothing.
  if (box == engine_.boxes.end() || box->second.seen.phase != Phase::running) return;
  if (at_work_.erase(one.container) > 0) {
    bool const spoiled = dice_.one_in(6);
    trace_.note("the turn in {} ends{}", one.name, spoiled ? ", and left what stays" : "");
    if (spoiled) {
      spoiled_.insert(one.container);
      life_->reconciler->replace(one.name, kUnknownProgram);
    }
    life_->reconciler->beat(one.name, fleet::Busy::no);
    return;
  }
  at_work_.emplace(one.container, one.name);
  trace_.note("a turn begins in {}", one.name);
}

// Their programs say that they are there.
void FleetWorld::beat() {
  if (!life_) return;
  for (auto const& [container, instance] : at_work_)
    life_->reconciler->beat(instance, fleet::Busy::yes);
}

void FleetWorld::step() {
  switch (dice_.below(10)) {
    case 8:
    case 9:
      work();
      beat();
      break;
    case 0:
    case 1:
      edit();
      break;
    case 2:
    case 3:
      disturb();
      break;
    case 4:
      down_ = !down_ && dice_.one_in(2);
      // Its stream of events begins anew when it comes back.
      if (!down_) engine_.tell(fleet::EngineNews::Kind::look);
      break;
    case 5:
      losing_ = !losing_;
      break;
    case 6:
      if (!dice_.one_in(3)) break;
      if (life_)
        end_life();
      else
        begin_life();
      break;
    default:
      break;
  }
  if (!life_ && dice_.one_in(2)) begin_life();
  pass_time(dice_.between(Nanos{0}, kStepMost));
}

void FleetWorld::remember_volumes() {
  for (auto const& [volume, of] : engine_.volumes)
    made_.insert(volume);
}

// What must never be.
void FleetWorld::watch_over(std::string_view when) {
  remember_volumes();
  if (!engine_.violations.empty())
    trace_.violated("state", "{}, {}", engine_.violations.front(), when);
  for (auto const& volume : made_)
    if (!engine_.volumes.contains(volume)) trace_.violated("state", "{} is lost", volume);
  for (auto const& id : foreign_)
    if (!engine_.boxes.contains(id)) trace_.violated("foreign", "{} is gone", id);
  for (auto const& [id, instance] : at_work_)
    if (!engine_.boxes.contains(id)) trace_.violated("turn", "that of {} is cut off", instance);
}

void FleetWorld::inspect() {
  std::map<std::string, int> ours;
  for (auto const& [id, box] : engine_.boxes)
    if (!box.foreign) {
      ++ours[box.seen.instance];
      if (spoiled_.contains(id))
        trace_.violated("converges", "{} is of no use and stays", box.seen.name);
      if (box.seen.phase != Phase::running)
        trace_.violated("converges", "{} is {}", box.seen.name, to_string(box.seen.phase));
    }
  for (auto const& status : life_->reconciler->status()) {
    auto const& one = status.instance;
    bool const taken = std::ranges::any_of(engine_.boxes, [&](auto const& entry) {
      return entry.second.foreign &&
             entry.second.seen.name == fleet::container_name("drover", one.name);
    });
    bool const refused = status.wanted && status.health.state == fleet::State::failed;
    int const count = ours.contains(one.name) ? ours.at(one.name) : 0;
    if (count > 1) trace_.violated("converges", "{} is there {} times", one.name, count);
    if (status.wanted && count == 0 && !taken && !refused)
      trace_.violated("converges", "{} is wanted and not there: {}", one.name,
                      status.health.reason);
    if (refused && !status.health.reason.contains("the name "))
      trace_.violated("converges", "{} failed: {}", one.name, status.health.reason);
    if (!status.wanted && count > 0)
      trace_.violated("converges", "{} is there and not wanted", one.name);
  }
}

void FleetWorld::play() {
  begin_life();
  for (int i = 0; i < kSteps; ++i)
    step();
  mended_ = true;
  down_ = false;
  if (!life_) begin_life();
  engine_.tell(fleet::EngineNews::Kind::look);
  for (auto const& [container, instance] : std::exchange(at_work_, {}))
    life_->reconciler->beat(instance, fleet::Busy::no);
  trace_.note("all is mended");
  pass_time(kMended);
  inspect();
  auto const calls = engine_.calls;
  pass_time(kRest);
  inspect();
  // A name that somebody else has is tried again and again, seldom.
  bool const troubled = std::ranges::any_of(life_->reconciler->status(), [](auto const& status) {
    return status.health.state == fleet::State::foreign || !status.health.reason.empty();
  });
  if (!troubled && engine_.calls - calls > kCallsAtRest)
    trace_.violated("calm", "{} calls at rest", engine_.calls - calls);
  life_.reset();
}

}  // namespace

Played play_fleet(WorldOptions const& options) {
  FleetWorld world{options};
  std::optional<std::string> violation;
  try {
    world.play();
  } catch (Violation const& violated) {
    violation = violated.what();
  }
  Played played = world.played();
  played.violation = std::move(violation);
  return played;
}

}  // namespace drover::sim
