#include "sim/world.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace drover::sim {

namespace {

constexpr Millis kPulse{500};
constexpr std::size_t kWorkers = 2;
// Histories with schedules are long, so only one in so many has some.
constexpr std::uint64_t kScheduledOneIn = 16;
// Where workers hear of work by Redis, and events are copied there.
constexpr std::uint64_t kRedisOneIn = 4;
constexpr int kFirstClient = 100;
constexpr std::chrono::hours kRestMax{2};  // to come to rest in, once all is mended

// What its server goes by. A defect has leases follow the wall.
class MachineClock final : public Clock {
 public:
  MachineClock(Machine const& machine, Defect defect) : machine_(&machine), defect_(defect) {}
  [[nodiscard]] WallTime now() const override { return machine_->wall(); }
  [[nodiscard]] BootTime boot_now() const override {
    if (defect_ == Defect::wall_leases) return {machine_->wall().time_since_epoch()};
    return {machine_->since_boot()};
  }

 private:
  Machine const* machine_;
  Defect defect_;
};

// Some of them, so that one kind does not hide what another would show.
FaultSet some_of(FaultSet all, Dice& dice) {
  FaultSet some = FaultSet::none();
  for (int i = 0; i < kFaultCount; ++i)
    if (dice.one_in(2)) some.add(static_cast<Fault>(i));
  return some & all;
}

Disk::Image const& image_of(Server::With schedules) {
  static Disk::Image const bare = Server::first_image(Server::With::nothing);
  static Disk::Image const scheduled = Server::first_image(Server::With::schedules);
  return schedules == Server::With::schedules ? scheduled : bare;
}

class World {
 public:
  World(WorldOptions const& options, Disk::Image const& image, Machine& machine)
      : options_(options),
        machine_(machine),
        dice_(options.seed),
        trace_(machine, options.trace),
        faults_(some_of(options.faults, dice_)),
        agenda_(machine),
        disk_(dice_, image),
        repositories_(options.defect),
        audit_(machine, trace_, repositories_),
        clock_(machine, options.defect),
        network_(agenda_, dice_, faults_),
        redis_(agenda_, dice_, faults_) {
    if (options.defect == Defect::lying_disk) disk_.lie_about_sync();
  }

  Played play(Server::With schedules) {
    Played played;
    try {
      begin(schedules);
      while (!at_rest()) {
        if (machine_.since_boot() > mended_at_ + kRestMax) fail_to_rest();
        strike_at_step(++events_);
        agenda_.step();
        settle();
      }
      server_->inspect();
      if (with_redis()) server_->inspect_copies();
    } catch (Violation const& violation) {
      played.violation = violation.what();
    }
    played.hash = trace_.hash();
    played.steps = trace_.steps();
    played.runs = audit_.accepted_runs();
    played.lives = lives_;
    played.operations = disk_.operations();
    played.events = events_;
    return played;
  }

 private:
  void begin(Server::With schedules);
  [[nodiscard]] Wish wish(int number);
  [[nodiscard]] bool with_redis() const {
    return options_.seed % kRedisOneIn == 2 && options_.length == WorldOptions::Length::usual;
  }
  void pulse();

  // ---- the server
  void start_server();
  void end_server(Disk::Loss loss);
  void settle();
  void plan_write(Nanos latency);
  void write();
  void checkpoint();

  // ---- faults
  void next_fault();
  void strike(Fault fault);
  void strike_disk(Fault fault);
  void strike_worker(Fault fault);
  void strike_redis();
  void kill_worker(SimWorker& worker, Nanos time);
  void arm_fail_point();
  void strike_at_step(std::uint64_t step);
  void mend();
  [[nodiscard]] bool at_rest() const;
  [[noreturn]] void fail_to_rest();

  WorldOptions const options_;
  Machine& machine_;
  Dice dice_;
  Trace trace_;
  FaultSet faults_;  // none once all is mended
  Agenda agenda_;
  Disk disk_;
  Repositories repositories_;
  Audit audit_;
  MachineClock clock_;
  Network network_;
  Redis redis_;
  std::vector<std::unique_ptr<SimWorker>> workers_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::size_t lives_ = 0;
  std::uint64_t events_ = 0;
  bool write_planned_ = false;
  bool batch_open_ = false;
  bool restart_planned_ = false;
  bool edit_planned_ = false;
  bool slow_ = false;
  bool mended_ = false;
  Nanos mended_at_{0};
  Nanos wall_ahead_{0};             // of where it would be, had nobody set it
  Nanos wall_ahead_max_{0};         // ever
  std::unique_ptr<Server> server_;  // the first to go
};

void World::begin(Server::With schedules) {
  trace_.note("seed {} faults {} defect {}", options_.seed, faults_.str(),
              to_string(options_.defect));
  bool const brief = options_.length == WorldOptions::Length::brief;
  Nanos const active = brief ? Nanos{Millis{1'000}}
                       : schedules == Server::With::schedules
                           ? dice_.between(Millis{60'000}, Millis{240'000})
                           : dice_.between(Millis{3'000}, Millis{10'000});
  mended_at_ = agenda_.now() + active;
  arm_fail_point();
  start_server();
  WorkerParts const parts{agenda_,
                          dice_,
                          network_,
                          trace_,
                          audit_,
                          repositories_,
                          with_redis() ? &redis_ : nullptr,
                          clock_,
                          options_.defect};
  for (int node = 0; node < static_cast<int>(kWorkers); ++node) {
    workers_.push_back(std::make_unique<SimWorker>(parts, node));
    workers_.back()->start();
  }
  int const clients = brief ? 1 : 2 + static_cast<int>(dice_.below(4));
  for (int i = 0; i < clients; ++i) {
    clients_.push_back(std::make_unique<Client>(agenda_, dice_, network_, trace_, audit_,
                                                kFirstClient + i, wish(i)));
    agenda_.in(dice_.between(Millis{0}, Millis{3'000}),
               [client = clients_.back().get()] { client->start(); });
  }
  next_fault();
  agenda_.at(mended_at_, [this] { mend(); });
  pulse();
}

Wish World::wish(int number) {
  Wish wish;
  wish.key = fmt::format("key-{}", number);
  wish.tenant = dice_.one_in(2) ? "one" : "two";
  wish.priority = static_cast<std::int64_t>(dice_.below(4));
  for (std::string const group : {"workspace:a", "workspace:b", "workspace:c"})
    if (dice_.one_in(3)) wish.groups.push_back(group);
  if (dice_.one_in(3)) wish.slot_key = "slots";
  wish.slots = 2;
  if (dice_.one_in(5)) wish.delay = Millis{static_cast<std::int64_t>(dice_.below(4'000))};
  if (dice_.one_in(8))
    wish.queue_time = Millis{500 + static_cast<std::int64_t>(dice_.below(6'000))};
  wish.wait_s = 1 + static_cast<std::int64_t>(dice_.below(8));
  return wish;
}

// The loop looks at its timers at least so often.
void World::pulse() {
  agenda_.in(kPulse, [this] { pulse(); });
}

void World::start_server() {
  restart_planned_ = false;
  if (std::exchange(edit_planned_, false)) Server::edit_by_hand(dice_, trace_, audit_);
  if (disk_.dead()) return end_server(Disk::Loss::power);
  ++lives_;
  server_ = std::make_unique<Server>(
      ServerParts{trace_, audit_, repositories_, disk_, with_redis() ? &redis_ : nullptr, clock_,
                  options_.seed * 1000 + lives_, options_.defect, [this](RunId const& run) {
                    for (auto const& worker : workers_)
                      worker->cancel(run);
                  }});
  auto const opened = server_->open();
  trace_.note("server {} {}", lives_, opened ? "is up" : opened.error().message);
  if (!opened && opened.error().code == ErrorCode::data_corrupt)
    trace_.violated("whole", "{}", opened.error().message);
  if (!opened) return end_server(disk_.dead() ? Disk::Loss::power : Disk::Loss::process);
  network_.connect(server_.get());
}

void World::end_server(Disk::Loss loss) {
  trace_.note("server {} ends: {}", lives_, loss == Disk::Loss::power ? "power" : "killed");
  network_.connect(nullptr);
  if (!options_.fail_point) disk_.clear_failures();
  disk_.crash(loss);
  server_.reset();
  audit_.server_gone();
  batch_open_ = false;
  restart_planned_ = true;
  agenda_.in(dice_.between(Millis{50}, Millis{2'000}), [this] { start_server(); });
}

// Until nothing more happens without time.
void World::settle() {
  if (!server_) return;
  server_->poll();
  if (disk_.dead()) return end_server(Disk::Loss::power);
  if (server_->refuses() && !restart_planned_) {
    restart_planned_ = true;
    agenda_.in(dice_.between(Millis{200}, Millis{3'000}), [this, life = lives_] {
      if (server_ && lives_ == life) end_server(Disk::Loss::process);
    });
  }
  if (server_->has_to_write() && !write_planned_)
    plan_write(slow_ ? dice_.between(Millis{200}, Millis{5'000})
                     : dice_.between(Micros{100}, Millis{8}));
}

void World::plan_write(Nanos latency) {
  write_planned_ = true;
  agenda_.in(latency, [this, life = lives_] {
    write_planned_ = false;
    if (server_ && lives_ == life) write();
  });
}

void World::write() {
  auto const step = server_->write();
  batch_open_ = step == store::WriterStep::wrote;
  if (batch_open_) return plan_write(Micros{200});
  if (!disk_.dead() && dice_.one_in(24)) checkpoint();
}

void World::checkpoint() {
  if (!server_->has_to_write()) server_->checkpoint();
}

void World::next_fault() {
  agenda_.in(dice_.between(Millis{100}, Millis{2'000}), [this] {
    if (mended_) return;
    auto const fault = static_cast<Fault>(dice_.below(kFaultCount));
    if (faults_.has(fault)) strike(fault);
    next_fault();
  });
}

void World::strike(Fault fault) {
  switch (fault) {
    case Fault::kill_server:
      if (server_) end_server(Disk::Loss::process);
      break;
    case Fault::clock: {
      Nanos const by = dice_.between(-std::chrono::hours{1}, std::chrono::hours{1}) /
                       (dice_.one_in(2) ? 1 : 200);
      trace_.note("the wall clock is set by {} s", by.count() / 1'000'000'000);
      machine_.step_wall(by);
      wall_ahead_ += by;
      wall_ahead_max_ = std::max(wall_ahead_max_, wall_ahead_);
      if (server_) server_->wake_scheduler();
      break;
    }
    case Fault::hand:
      if (!server_) break;
      edit_planned_ = true;
      end_server(Disk::Loss::process);
      break;
    case Fault::redis:
      strike_redis();
      break;
    case Fault::lose:
    case Fault::duplicate:
      break;  // the network's, all the time
    case Fault::partition:
    case Fault::pause_worker:
    case Fault::kill_worker:
      strike_worker(fault);
      break;
    default:
      strike_disk(fault);
  }
}

void World::strike_disk(Fault fault) {
  trace_.note("disk: {}", static_cast<int>(fault));
  switch (fault) {
    case Fault::power:
      disk_.fail_at(1 + dice_.below(60), Disk::Failure::power);
      break;
    case Fault::sync_error:
      disk_.fail_at(1 + dice_.below(4), Disk::Failure::sync);
      break;
    case Fault::write_error:
      disk_.fail_at(1 + dice_.below(40), Disk::Failure::write);
      break;
    case Fault::disk_full:
      disk_.set_full(true);
      agenda_.in(dice_.between(Millis{500}, Millis{6'000}), [this] { disk_.set_full(false); });
      break;
    default:
      slow_ = true;
      agenda_.in(dice_.between(Millis{1'000}, Millis{8'000}), [this] { slow_ = false; });
  }
}

void World::strike_worker(Fault fault) {
  int const node = static_cast<int>(dice_.below(kWorkers));
  SimWorker& worker = *workers_[static_cast<std::size_t>(node)];
  Nanos const time = dice_.between(Millis{200}, 2 * kLease);
  trace_.note("worker {}: {} for {} ms", node, static_cast<int>(fault), time.count() / 1'000'000);
  if (fault == Fault::pause_worker) return worker.pause_until(agenda_.now() + time);
  if (fault == Fault::partition) {
    network_.cut_off(node);
    return agenda_.in(time, [this, node] { network_.rejoin(node); });
  }
  kill_worker(worker, time);
}

void World::strike_redis() {
  auto const how = dice_.below(3);
  trace_.note("redis: {}", how);
  if (how == 0) redis_.flush();
  if (how == 1) redis_.lose_newest();
  if (how == 2) redis_.go_away(dice_.between(Millis{100}, Millis{5'000}));
}

void World::kill_worker(SimWorker& worker, Nanos time) {
  worker.kill();
  agenda_.in(time, [&worker] { worker.start(); });
}

void World::arm_fail_point() {
  if (!options_.fail_point) return;
  using Kind = FailPoint::Kind;
  auto const [kind, nth] = *options_.fail_point;
  if (kind == Kind::kill_server || kind == Kind::kill_worker) return;
  disk_.fail_point(nth, kind == Kind::disk_error ? Disk::Failure::error : Disk::Failure::power);
  if (kind == Kind::power_lost) disk_.set_fate(Disk::Fate::lost);
  if (kind == Kind::power_torn) disk_.set_fate(Disk::Fate::torn);
  if (kind == Kind::power_kept) disk_.set_fate(Disk::Fate::kept);
}

void World::strike_at_step(std::uint64_t step) {
  if (!options_.fail_point || options_.fail_point->nth != step) return;
  auto const kind = options_.fail_point->kind;
  if (kind == FailPoint::Kind::kill_server && server_) end_server(Disk::Loss::process);
  if (kind == FailPoint::Kind::kill_worker) kill_worker(*workers_[step % kWorkers], 2 * kLease);
}

// The wall clock goes on from the furthest that it has been, for what waits for it to come.
void World::mend() {
  trace_.note("all is mended");
  mended_ = true;
  faults_ = FaultSet::none();
  slow_ = false;
  if (!options_.fail_point) disk_.clear_failures();
  disk_.set_full(false);
  machine_.step_wall(wall_ahead_max_ - wall_ahead_);
  if (server_) server_->wake_scheduler();
}

void World::fail_to_rest() {
  bool const up = server_ && !server_->refuses();
  trace_.violated("accepted",
                  "{} accepted runs do not come to rest: {} have not ended, the queue has {},"
                  " Redis has {} offers and {} copies",
                  audit_.accepted_runs(), up ? server_->unfinished() : -1,
                  up ? server_->stats().entries : 0, redis_.offers(),
                  up && server_->copied() ? "all" : "not all");
}

bool World::at_rest() const {
  if (!mended_ || !server_ || server_->refuses()) return false;
  for (auto const& client : clients_)
    if (!client->accepted()) return false;
  for (auto const& worker : workers_)
    if (worker->working() > 0) return false;
  return server_->stats().entries == 0 && !server_->has_to_write() && !batch_open_ &&
         redis_.offers() == 0 && server_->copied() && server_->unfinished() == 0;
}

constexpr std::array<std::string_view, kFailPointKinds> kFailPoints = {
    "power-lost", "power-torn", "power-kept", "disk-error", "kill-server", "kill-worker"};

}  // namespace

std::string to_string(FailPoint const& point) {
  return fmt::format("{}:{}", kFailPoints[static_cast<std::size_t>(point.kind)], point.nth);
}

Result<FailPoint> parse_fail_point(std::string_view text) {
  auto const colon = text.find(':');
  auto const found = std::ranges::find(kFailPoints, text.substr(0, colon));
  auto const digits = colon == std::string_view::npos ? text : text.substr(colon + 1);
  std::uint64_t nth = 0;
  auto const read = std::from_chars(digits.data(), digits.data() + digits.size(), nth);
  if (found == kFailPoints.end() || read.ec != std::errc{} || nth == 0 ||
      read.ptr != digits.data() + digits.size())
    return fail_next(
        ErrorCode::invalid_argument, fmt::format("there is no fail point '{}'", text),
        fmt::format("it is one of {}, a colon, and a number from 1", fmt::join(kFailPoints, ", ")));
  return FailPoint{static_cast<FailPoint::Kind>(found - kFailPoints.begin()), nth};
}

Played play(WorldOptions const& options) {
  bool const scheduled =
      options.seed % kScheduledOneIn == 0 && options.length == WorldOptions::Length::usual;
  auto const schedules = scheduled ? Server::With::schedules : Server::With::nothing;
  Disk::Image const& image = image_of(schedules);
  Machine machine;
  World world{options, image, machine};
  return world.play(schedules);
}

}  // namespace drover::sim
