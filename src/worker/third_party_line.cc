#include "worker/third_party_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "base/text.h"
#include "contract/turn.h"
#include "worker/turn_events.h"

namespace drover::worker {

namespace {

using std::chrono::steady_clock;

constexpr Millis kReadRetry{250};
constexpr Millis kStoreRetry{1'000};
// For a program to read that it is to stop, before it is cut off.
constexpr Millis kStopGrace{500};
constexpr Millis kShutOutWithin{2'000};
// Entries that wait to be read while a turn goes on.
constexpr std::size_t kBacklogMax = 20'000;

std::string new_nonce(Random& random) {
  std::string bytes(16, '\0');
  random.fill(std::as_writable_bytes(std::span{bytes}));
  return to_hex(bytes);
}

// As it stands on `:in`.
std::string message_of(Turn const& turn, ThirdPartyTurn const& said, std::int64_t turns_max) {
  contract::MessageTurn message;
  message.prompt = turn.prompt;
  message.turn_id = said.name();
  message.run = turn.run.id;
  message.epoch = Epoch{turn.run.epoch};
  message.nonce = said.nonce();
  message.model = turn.model.route.model;
  message.limits.max_turns = turn.run.limits.max_turns.value_or(turns_max);
  return contract::print(contract::Turn{std::move(message)});
}

Status check_entry(broker::UnitEntry const& entry) {
  using Kind = broker::UnitEntry::Kind;
  if (entry.kind == Kind::no_event)
    return fail(ErrorCode::invalid_argument, "the entry {} has no field 'event'", entry.id);
  if (entry.kind == Kind::too_large)
    return fail(ErrorCode::too_large, "the entry {} has {} bytes, over the limit of {}", entry.id,
                entry.bytes, broker::UnitStreamBounds{}.entry_bytes_max);
  return {};
}

void give_up(Turn& turn, std::string why) {
  turn.unit_gone = true;
  turn.unit_end = std::move(why);
  turn.changed.notify();
}

}  // namespace

struct ThirdPartyLine::Hearing {
  Hearing(TurnPtr of, ThirdPartyTurn told, ThirdPartyLimits const& limits)
      : turn(std::move(of)), said(std::move(told)), limits(limits) {}

  TurnPtr turn;
  ThirdPartyTurn said;
  ThirdPartyLimits limits;
  TimePoint offered_at = steady_clock::now();
  std::uint64_t losses = 0;
  std::optional<TimePoint> lost_at;  // Redis lost data, and the program has said nothing since
};

ThirdPartyLine::ThirdPartyLine(WorkerParts const& parts, broker::RedisUnits& units,
                               std::string unit)
    : parts_(parts),
      units_(units),
      unit_(std::move(unit)),
      tasks_(parts.io.get_executor(), "third-party") {}

ThirdPartyLine::~ThirdPartyLine() = default;

void ThirdPartyLine::begin(TurnPtr turn) {
  ThirdPartyTurn said{turn->run.id, Epoch{turn->run.epoch}, new_nonce(parts_.random)};
  units_.let_in(unit_);
  units_.offer(unit_, message_of(*turn, said, parts_.options.turns_max));
  hearing_ =
      std::make_shared<Hearing>(std::move(turn), std::move(said), parts_.options.third_party);
  tasks_.spawn(listen(hearing_), "listen");
}

void ThirdPartyLine::interrupt() {
  units_.tell(unit_, contract::print(contract::Turn{contract::InterruptTurn{}}));
}

void ThirdPartyLine::end() {
  if (hearing_ == nullptr) return;
  hearing_->turn->over = true;
  hearing_.reset();
  units_.stop_reading(unit_);
}

Task<void> ThirdPartyLine::close() {
  end();
  co_await tasks_.join();
  if (answered_) {
    units_.tell(unit_, contract::print(contract::Turn{contract::StopTurn{}}));
    co_await pause(kStopGrace);
  }
  co_await units_.shut_out(unit_, steady_clock::now() + kShutOutWithin);
}

bool ThirdPartyLine::hears(HearingPtr const& hearing) const {
  Turn const& turn = *hearing->turn;
  return hearing_ == hearing && !turn.done && !turn.unit_gone && !turn.fenced;
}

ThirdPartyLine::TimePoint ThirdPartyLine::deadline(Hearing const& hearing) {
  if (!hearing.said.accepted()) return hearing.offered_at + hearing.limits.start;
  auto const silent_at = hearing.turn->heard_at + hearing.limits.silence;
  if (!hearing.lost_at) return silent_at;
  return std::min(silent_at, *hearing.lost_at + hearing.limits.silence_after_loss);
}

void ThirdPartyLine::give_up_when_late(Hearing& hearing) const {
  if (steady_clock::now() < deadline(hearing)) return;
  Turn& turn = *hearing.turn;
  auto const seconds = [](Millis time) { return time.count() / 1000; };
  auto const problem = units_.problem();
  if (!hearing.said.accepted() && problem) {
    turn.not_started = true;
    give_up(turn, "no third-party worker could take the turn: " + problem->text());
  } else if (!hearing.said.accepted()) {
    turn.not_started = true;
    give_up(turn, fmt::format("no third-party worker took the turn from unit:{}:in within {} s; "
                              "start one with what `drover sessions env {}` prints",
                              unit_, seconds(hearing.limits.start), turn.run.session));
  } else if (hearing.lost_at) {
    give_up(turn, "Redis lost its data, and the third-party worker has said nothing since");
  } else {
    give_up(turn, fmt::format("the third-party worker has said nothing for {} s",
                              seconds(hearing.limits.silence)));
  }
}

Task<void> ThirdPartyLine::listen(HearingPtr hearing) {
  while (hears(hearing)) {
    give_up_when_late(*hearing);
    if (!hears(hearing)) break;
    auto backlog = co_await units_.read(unit_, deadline(*hearing));
    if (!hears(hearing)) break;
    if (!backlog) {
      // Redis is away, or comes back; the broker's status says why.
      co_await pause(kReadRetry);
      continue;
    }
    if (backlog->losses != hearing->losses) {
      hearing->losses = backlog->losses;
      hearing->lost_at = steady_clock::now();
    }
    co_await hear(hearing, *std::move(backlog));
  }
}

Task<void> ThirdPartyLine::hear(HearingPtr hearing, broker::UnitBacklog backlog) {
  if (backlog.entries.empty()) co_return;
  Turn& turn = *hearing->turn;
  std::string const last = backlog.entries.back().id;
  bool const flooded = backlog.waiting > kBacklogMax;
  UnitBatch batch;
  bool heard = false;
  for (broker::UnitEntry const& entry : backlog.entries) {
    auto taken = check_entry(entry);
    if (taken) taken = hearing->said.hear(batch, entry.text);
    if (taken) {
      heard = true;
      continue;
    }
    auto const told = hearing->said.refuse(taken.error());
    if (!told) continue;
    log::warn("third-party-event-refused", {{"unit", unit_}, {"reason", taken.error().text()}});
    // Before its first event a run does not run yet, and behind the done event it is over.
    if (batch.done || (!turn.begun && batch.drafts.empty())) continue;
    contract::EventHead const head{turn.run.id, Epoch{turn.run.epoch}, turn.run.id.str()};
    batch.drafts.push_back({std::string{contract::to_string(contract::EventType::error)},
                            contract::error_draft(head, *told)});
  }
  if (heard && hearing->said.accepted()) {
    answered_ = true;
    units_.taken(unit_);
    hearing->lost_at.reset();
    turn.heard_at = steady_clock::now();
  }
  if (!batch.drafts.empty()) {
    auto const stored = co_await store(hearing, std::move(batch));
    if (!stored) co_return;
  }
  units_.done_with(unit_, last);
  if (flooded)
    give_up(turn, fmt::format("the third-party worker had {} entries waiting to be read",
                              backlog.waiting));
  else if (hearing->said.refused() >= kRefusedMax)
    give_up(turn,
            fmt::format("the third-party worker said {} things that are no events of its turn",
                        hearing->said.refused()));
}

// Without room the run waits, as it does for a unit that sends its batch again. False where nothing
// more is to be heard of the turn.
Task<bool> ThirdPartyLine::store(HearingPtr hearing, UnitBatch batch) {
  for (;;) {
    UnitBatch next = batch;
    auto const stored = co_await store_unit_batch(parts_, hearing->turn, std::move(next));
    if (stored) co_return true;
    if (!hears(hearing)) co_return false;
    Error const& error = stored.error();
    log::warn("third-party-events-wait", {{"unit", unit_}, {"reason", error.text()}});
    if (error.code != ErrorCode::no_space && error.code != ErrorCode::unavailable) {
      give_up(*hearing->turn, "its events could not be recorded: " + error.text());
      co_return false;
    }
    co_await pause(kStoreRetry);
    if (!hears(hearing)) co_return false;
  }
}

Task<void> ThirdPartyLine::pause(Millis time) {
  boost::asio::steady_timer timer{parts_.io, time};
  co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
}

}  // namespace drover::worker
