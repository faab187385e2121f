#include "fleet/resident_places.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/log.h"
#include "base/text.h"
#include "sandbox/inside_path.h"

namespace drover::fleet {

namespace asio = boost::asio;
using runtime::WorkloadState;
using std::chrono::steady_clock;

namespace {

constexpr int kNotBegun = 126;

runtime::Ending ended_with(int status) {
  runtime::Ending ending;
  ending.exit_code = status;
  return ending;
}

CommandOrder order_of(std::string id, ResidentCommand const& command, TurnPlace const& instance) {
  CommandOrder order;
  order.id = std::move(id);
  order.argv = command.argv;
  order.env = {"HOME=/home/agent", fmt::format("PATH={}", sandbox::kPathInside), "LANG=C.UTF-8",
               "TMPDIR=/tmp"};
  order.cwd = "/state";
  order.writable = resident_writable();
  order.writable.emplace_back("/workspace");
  order.walls_required = instance.walls_required;
  return order;
}

}  // namespace

ResidentPlaces::ResidentPlaces(Parts parts) : parts_(std::move(parts)), changed_(parts_.executor) {}

void ResidentPlaces::watch() {
  parts_.places.on_changed([weak = weak_from_this()] {
    if (auto const self = weak.lock()) self->look();
  });
  look();
}

void ResidentPlaces::close() {
  closed_ = true;
  for (auto const& [name, place] : places_) {
    place->line->close();
    place->turn.reset();  // they hold each other
  }
  places_.clear();
  changed_.notify();
}

// ---- who is there -------------------------------------------------------------------------------

void ResidentPlaces::look() {
  if (closed_) return;
  auto live = parts_.places.open();
  std::vector<PlacePtr> lost;
  for (auto const& [name, place] : places_) {
    auto const same = std::ranges::find_if(live, [&](TurnPlace const& one) {
      return one.name == name && one.program == place->instance.program &&
             one.agent == place->instance.agent;
    });
    if (same == live.end()) lost.push_back(place);
  }
  for (PlacePtr const& place : lost)
    lose(place);
  for (TurnPlace& instance : live)
    if (!places_.contains(instance.name)) add(std::move(instance));
  changed_.notify();
}

void ResidentPlaces::add(TurnPlace instance) {
  auto place = std::make_shared<ResidentPlace>();
  place->instance = std::move(instance);
  place->heard = steady_clock::now();
  place->line = std::make_unique<ResidentLine>(
      parts_.executor, place->instance.line_folder + "/resident.sock", hooks(place));
  auto const listening = place->line->listen();
  if (!listening)
    log::error("resident-line-not-open",
               {{"instance", place->instance.name}, {"reason", listening.error().text()}});
  places_.emplace(place->instance.name, place);
}

void ResidentPlaces::lose(PlacePtr const& place) {
  place->gone = true;
  place->line->close();
  places_.erase(place->instance.name);
  if (place->turn == nullptr) return;
  auto ending = ended_with(kKilled);
  if (place->turn->growth) ending.over_disk = place->turn->growth->excess();
  parts_.ended(place->turn, std::move(ending));
}

std::optional<ResidentHealth> ResidentPlaces::health(std::string_view instance) const {
  auto const found = places_.find(instance);
  if (found == places_.end()) return std::nullopt;
  ResidentPlace const& place = *found->second;
  ResidentHealth health;
  health.connected = place.line->connected();
  health.heard = place.heard;
  health.frozen = place.turn != nullptr && place.turn->frozen;
  if (place.turn != nullptr) health.workload = place.turn->spec.id.str();
  return health;
}

std::vector<std::string> ResidentPlaces::connected(std::string_view agent) const {
  std::vector<std::string> names;
  for (auto const& [name, place] : places_)
    if (place->instance.agent == agent && place->line->connected()) names.push_back(name);
  return names;
}

PlacePtr ResidentPlaces::free_place(std::string const& agent, std::string_view preferred) const {
  auto const first = places_.find(preferred);
  if (first != places_.end() && first->second->free_for(agent)) return first->second;
  for (auto const& [name, place] : places_)
    if (place->free_for(agent)) return place;
  return nullptr;
}

void ResidentPlaces::tell(ResidentPlace const& place) {
  changed_.notify();
  heard_(place.instance.name, place.turn != nullptr);
}

// ---- what their programs say --------------------------------------------------------------------

ResidentLine::Hooks ResidentPlaces::hooks(std::weak_ptr<ResidentPlace> const& weak) {
  auto const with = [weak](auto act) {
    if (auto const place = weak.lock()) act(place);
  };
  return {
      .is_program =
          [weak](pid_t pid) {
            auto const place = weak.lock();
            return place != nullptr && place->instance.program == pid;
          },
      .connected =
          [this, with](std::vector<std::string> const& running) {
            with([&](PlacePtr const& place) { hear_hello(place, running); });
          },
      .lost = [this] { changed_.notify(); },
      .heard =
          [this, with] {
            with([&](PlacePtr const& place) {
              place->heard = steady_clock::now();
              heard_(place->instance.name, place->turn != nullptr);
            });
          },
      .ended =
          [this, with](std::string const& id, int status) {
            with([&](PlacePtr const& place) { hear_end(*place, id, status); });
          },
      .failed =
          [this, with](std::string const& id, std::string const& message) {
            log::warn("resident-did-not-begin",
                      {{"id", printable(id)}, {"reason", printable(message)}});
            with([&](PlacePtr const& place) { hear_end(*place, id, kNotBegun); });
          },
      .output =
          [with](std::string const& id, bool error_stream, std::string const& text) {
            with([&](PlacePtr const& place) {
              auto const command = place->commands.find(id);
              if (command != place->commands.end()) command->second->output(error_stream, text);
            });
          },
  };
}

void ResidentPlaces::hear_hello(PlacePtr const& place, std::vector<std::string> const& running) {
  compare(*place, running);
  if (place->turn == nullptr && !running.empty()) clean(place);
  tell(*place);
}

void ResidentPlaces::hear_end(ResidentPlace& place, std::string const& id, int status) {
  if (place.commands.contains(id)) {
    place.ended_commands[id] = status;
    changed_.notify();
  } else if (place.turn != nullptr && place.turn->spec.id.str() == id) {
    parts_.ended(place.turn, ended_with(status));
  }
}

// After a new connection: an end that was said to nobody.
void ResidentPlaces::compare(ResidentPlace const& place, std::vector<std::string> const& running) {
  bool const begun = place.turn != nullptr && place.turn->status.state != WorkloadState::starting;
  if (!begun || std::ranges::find(running, place.turn->spec.id.str()) != running.end()) return;
  parts_.ended(place.turn, ended_with(kKilled));
}

// A unit of an earlier server is nobody's any more.
void ResidentPlaces::clean(PlacePtr const& place) {
  if (place->resetting || closed_) return;
  place->resetting = true;
  asio::co_spawn(parts_.executor, clean_later(shared_from_this(), place), asio::detached);
}

Task<void> ResidentPlaces::clean_later(std::shared_ptr<ResidentPlaces> self, PlacePtr place) {
  auto job = [self, place] { return self->parts_.moves->reset(*place); };
  auto const done = co_await self->parts_.pool.run(std::move(job));
  if (self->closed_) co_return;
  if (!done && !place->gone) {
    self->give_up(*place, done.error());
    co_return;
  }
  place->resetting = false;
  self->tell(*place);
}

// It stays out of use, and another takes its place.
void ResidentPlaces::give_up(ResidentPlace const& place, Error const& error) {
  log::error("resident-not-reset", {{"instance", place.instance.name}, {"reason", error.text()}});
  if (!closed_) parts_.places.replace(place.instance.name, place.instance.program);
}

// ---- commands of a person -----------------------------------------------------------------------

Task<Result<int>> ResidentPlaces::run_command(std::string instance, ResidentCommand command) {
  auto const self = shared_from_this();
  auto const found = places_.find(instance);
  if (found == places_.end() || !found->second->line->connected())
    co_return fail_next(ErrorCode::unavailable,
                        fmt::format("the instance {} does not run", printable(instance)),
                        "see: drover agents status");
  PlacePtr const place = found->second;
  std::string const id = fmt::format("command-{}", ++commands_);
  auto const sent = place->line->send(command_order(order_of(id, command, place->instance)));
  if (!sent) co_return std::unexpected(sent.error());
  // Whoever asked may be cut off at any wait; then the command ends too.
  struct Running {
    PlacePtr place;
    std::string id;
    ~Running() {
      place->commands.erase(id);
      bool const over = place->ended_commands.erase(id) > 0;
      if (!over) (void)place->line->send(signal_order(id, SIGKILL));
    }
  };
  place->commands.emplace(id, &command);
  Running const running{place, id};
  while (!place->ended_commands.contains(id) && !place->gone && place->line->connected() &&
         !closed_) {
    auto const seen = changed_.version();
    co_await changed_.wait(seen);
  }
  auto const ended = place->ended_commands.find(id);
  if (ended == place->ended_commands.end())
    co_return fail(ErrorCode::unavailable, "the instance {} ended before the command did",
                   printable(instance));
  co_return ended->second;
}

}  // namespace drover::fleet
