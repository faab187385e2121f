#include "broker/redis_units.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "broker/redis_scripts.h"
#include "net/http_types.h"
#include "redis/failure.h"

namespace drover::broker {

namespace {

using redis::Command;
using redis::Reply;
using Steady = std::chrono::steady_clock;

// What nobody deletes goes by itself.
constexpr std::string_view kStreamLifeSeconds = "604800";
// The turn's entry, under whose id a program takes it, is ahead of all that anybody may say by
// mistake before: Redis gives such entries the time of its clock as their id.
constexpr Millis kTakeAhead{24LL * 3600 * 1000};
constexpr Millis kBlock{10'000};
constexpr Millis kBlockGrace{2'000};

std::string in_of(std::string const& unit) {
  return fmt::format("unit:{}:in", unit);
}
std::string out_of(std::string const& unit) {
  return fmt::format("unit:{}:out", unit);
}

std::string hmac_hex(Secret const& key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  std::string const& secret = key.reveal();
  auto const* const done = ::HMAC(::EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                                  reinterpret_cast<unsigned char const*>(text.data()), text.size(),
                                  digest.data(), &size);
  DROVER_CHECK(done != nullptr);
  return to_hex({reinterpret_cast<char const*>(digest.data()), size});
}

Result<UnitEntry> parse_entry(Reply const& reply, std::size_t bytes_max) {
  bool const fits = reply.is_array() && reply.items.size() == 3 && reply.items[0].is_text() &&
                    reply.items[1].kind == Reply::Kind::integer && reply.items[2].is_text();
  if (!fits) return fail(ErrorCode::upstream, "Redis answered the read of a unit with no entry");
  UnitEntry entry;
  entry.id = reply.items[0].text;
  entry.text = reply.items[2].text;
  std::int64_t const size = reply.items[1].integer;
  entry.bytes = static_cast<std::size_t>(std::max<std::int64_t>(size, 0));
  if (size < 0) entry.kind = UnitEntry::Kind::no_event;
  if (entry.bytes > bytes_max) entry.kind = UnitEntry::Kind::too_large;
  return entry;
}

}  // namespace

struct RedisUnits::Unit {
  explicit Unit(std::string of) : name(std::move(of)) {}

  std::string name;
  bool wanted = false;
  bool user_made = false;
  std::optional<std::string> turn;
  bool turn_taken = false;
  bool turn_there = false;      // in Redis, for all that is known
  bool turn_was_there = false;  // at some time
  std::vector<std::string> notes;
  std::uint64_t losses = 0;
  std::string done_with;
  std::uint64_t stops = 0;                      // of reading
  std::shared_ptr<redis::Connection> blocking;  // shared with the wait on it
};

RedisUnits::RedisUnits(boost::asio::any_io_executor loop, redis::Client& client, Clock const& clock,
                       Secret key, UnitStreamBounds bounds)
    : loop_(std::move(loop)),
      client_(client),
      clock_(clock),
      key_(std::move(key)),
      bounds_(bounds),
      removed_(loop_) {}

std::string RedisUnits::user_prefix() const {
  return fmt::format("drover-unit-{}-", client_.endpoint().db);
}

Secret RedisUnits::password(std::string const& unit) const {
  return Secret{hmac_hex(key_, "redis user of unit\n" + unit)};
}

Secret RedisUnits::url(std::string const& unit) const {
  redis::Endpoint const& at = client_.endpoint();
  std::string const who = fmt::format("{}{}:{}", user_prefix(), unit, password(unit).reveal());
  // What shown() says is the same address without anybody.
  std::string const shown = at.shown();
  auto const behind_scheme = shown.find("://") + 3;
  return Secret{
      fmt::format("{}{}@{}", shown.substr(0, behind_scheme), who, shown.substr(behind_scheme))};
}

RedisUnits::UnitPtr RedisUnits::find(std::string const& unit) const {
  auto const found = units_.find(unit);
  return found == units_.end() ? nullptr : found->second;
}

void RedisUnits::changed() {
  if (on_change_) on_change_();
}

void RedisUnits::let_in(std::string const& unit) {
  DROVER_CHECK(is_slug(unit));  // the patterns of an ACL know other characters as their own
  auto& place = units_[unit];
  if (place == nullptr) place = std::make_shared<Unit>(unit);
  place->wanted = true;
  changed();
}

void RedisUnits::offer(std::string const& unit, std::string turn) {
  auto const found = find(unit);
  DROVER_CHECK(found != nullptr);
  found->turn = std::move(turn);
  found->turn_taken = found->turn_there = found->turn_was_there = false;
  found->notes.clear();
  found->done_with.clear();
  found->losses = 0;
  changed();
}

void RedisUnits::taken(std::string const& unit) {
  if (auto const found = find(unit)) found->turn_taken = true;
}

void RedisUnits::tell(std::string const& unit, std::string turn) {
  auto const found = find(unit);
  if (found == nullptr) return;
  found->notes.push_back(std::move(turn));
  changed();
}

Task<void> RedisUnits::shut_out(std::string unit, os::AsyncEvent::TimePoint deadline) {
  auto const found = find(unit);
  if (found == nullptr) co_return;
  found->wanted = false;
  stop_reading(unit);
  changed();
  while (find(unit) == found && !found->wanted && Steady::now() < deadline) {
    auto const seen = removed_.version();
    co_await removed_.wait(seen, deadline);
  }
}

Task<Status> RedisUnits::round(RedisData data) {
  if (data == RedisData::doubtful) {
    swept_ = false;
    for (auto const& [name, unit] : units_)
      unit->user_made = unit->turn_there = false;
  }
  if (!swept_) {
    auto const swept = co_await sweep_users();
    if (!swept) co_return swept;
    swept_ = true;
  }
  std::vector<UnitPtr> units;
  for (auto const& [name, unit] : units_)
    units.push_back(unit);
  for (UnitPtr const& unit : units) {
    auto const done = co_await make_true(unit);
    if (!done) co_return done;
  }
  co_return Status{};
}

// Those of units that nobody here knows: a server that was killed left them.
Task<Status> RedisUnits::sweep_users() {
  Command list{"ACL", "USERS"};
  auto const users = co_await client_.call(std::move(list), "list its users");
  if (!users) co_return std::unexpected(users.error());
  std::string const prefix = user_prefix();
  Command remove{"ACL", "DELUSER"};
  for (Reply const& user : users->items)
    if (user.text.starts_with(prefix) && find(user.text.substr(prefix.size())) == nullptr)
      remove.push_back(user.text);
  if (remove.size() == 2) co_return Status{};
  log::info("redis-users-swept", {{"users", remove.size() - 2}});
  auto const removed = co_await client_.call(std::move(remove), "remove users");
  if (!removed) co_return std::unexpected(removed.error());
  co_return Status{};
}

Task<Status> RedisUnits::make_true(UnitPtr unit) {
  if (!unit->wanted) co_return co_await remove(unit);
  if (!unit->user_made) {
    auto const made = co_await make_user(unit);
    if (!made) co_return made;
  }
  if (unit->turn && !unit->turn_there) {
    auto const delivered = co_await deliver(unit);
    if (!delivered) co_return delivered;
  }
  co_return co_await send_notes(unit);
}

Command RedisUnits::new_user(std::string const& unit) const {
  Command command{"ACL",
                  "SETUSER",
                  user_prefix() + unit,
                  "reset",
                  "on",
                  "#" + sha256_hex(password(unit).reveal()),
                  "%R~" + in_of(unit),
                  "%W~" + out_of(unit),
                  "+ping",
                  "+xread",
                  "+xrange",
                  "+xadd"};
  if (client_.endpoint().db != 0) command.emplace_back("+select");
  return command;
}

Task<Status> RedisUnits::make_user(UnitPtr unit) {
  auto const made = co_await client_.call(new_user(unit->name), "make the user of a unit");
  if (!made) co_return std::unexpected(made.error());
  unit->user_made = true;
  co_return Status{};
}

Task<Status> RedisUnits::deliver(UnitPtr unit) {
  std::string const turn = *unit->turn;
  bool const was_there = unit->turn_was_there;
  redis::Script::Call call;
  call.keys = {in_of(unit->name), out_of(unit->name)};
  auto const id = fmt::format("{}-0", to_unix_ms(clock_.now() + kTakeAhead));
  call.arguments = {turn, id, std::string{kStreamLifeSeconds}, unit->turn_taken ? "taken" : ""};
  auto const kept = co_await client_.run(offer_turn_script(), std::move(call), "take a turn");
  if (!kept) co_return std::unexpected(kept.error());
  // Another turn may be wanted by now: the change has called for another round.
  if (unit->turn != turn) co_return Status{};
  unit->turn_there = unit->turn_was_there = true;
  if (was_there && kept->integer == 0) {
    log::info("redis-turn-lost", {{"unit", unit->name}});
    ++unit->losses;
    unit->done_with.clear();
  }
  co_return Status{};
}

Task<Status> RedisUnits::send_notes(UnitPtr unit) {
  while (!unit->notes.empty()) {
    std::string const note = unit->notes.front();
    Command add{"XADD", in_of(unit->name), "*", "turn", note};
    auto const added = co_await client_.call(std::move(add), "take a turn");
    if (!added) co_return std::unexpected(added.error());
    if (!unit->notes.empty() && unit->notes.front() == note) unit->notes.erase(unit->notes.begin());
  }
  co_return Status{};
}

// Whoever came in as the user is cut off with it.
Task<Status> RedisUnits::remove(UnitPtr unit) {
  std::vector<Command> commands{{"ACL", "DELUSER", user_prefix() + unit->name},
                                {"DEL", in_of(unit->name), out_of(unit->name)}};
  auto const replies = co_await client_.pipeline(std::move(commands));
  if (!replies) co_return std::unexpected(replies.error());
  for (Reply const& reply : *replies)
    if (reply.is_error()) co_return std::unexpected(redis::to_error(reply, "remove a unit's user"));
  unit->user_made = unit->turn_there = false;
  if (unit->wanted) co_return co_await make_true(unit);
  auto const found = units_.find(unit->name);
  if (found != units_.end() && found->second == unit) units_.erase(found);
  removed_.notify();
  co_return Status{};
}

Task<Result<UnitBacklog>> RedisUnits::read(std::string unit, os::AsyncEvent::TimePoint deadline) {
  auto const found = find(unit);
  Error const stopped{ErrorCode::cancelled, "the unit is not read any more", {}};
  if (found == nullptr) co_return std::unexpected(stopped);
  auto const stops = found->stops;
  auto const losses = found->losses;
  for (;;) {
    auto backlog = co_await read_now(found);
    if (found->stops != stops) co_return std::unexpected(stopped);
    auto const left = std::chrono::duration_cast<Millis>(deadline - Steady::now());
    bool const news = !backlog || !backlog->entries.empty() || found->losses != losses;
    if (news || left <= Millis{0}) co_return backlog;
    auto const waited = co_await wait_for_entry(found, std::min(left, kBlock));
    if (found->stops != stops) co_return std::unexpected(stopped);
    if (!waited) co_return std::unexpected(waited.error());
  }
}

Task<Result<UnitBacklog>> RedisUnits::read_now(UnitPtr unit) {
  redis::Script::Call call;
  call.keys = {out_of(unit->name)};
  call.arguments = {unit->done_with, fmt::to_string(bounds_.entries_max),
                    fmt::to_string(bounds_.entry_bytes_max), fmt::to_string(bounds_.read_bytes_max),
                    std::string{kStreamLifeSeconds}};
  auto const reply =
      co_await client_.run(read_unit_script(), std::move(call), "read what a unit says");
  if (!reply) co_return std::unexpected(reply.error());
  UnitBacklog backlog;
  backlog.losses = unit->losses;
  if (!reply->is_array() || reply->items.empty())
    co_return fail(ErrorCode::upstream, "Redis answered the read of a unit with no list");
  backlog.waiting = static_cast<std::size_t>(reply->items.front().integer);
  for (std::size_t i = 1; i < reply->items.size(); ++i) {
    auto entry = parse_entry(reply->items[i], bounds_.entry_bytes_max);
    if (!entry) co_return std::unexpected(entry.error());
    backlog.entries.push_back(*std::move(entry));
  }
  co_return backlog;
}

// On a connection of its own. An entry that is too large for it closes it, and is then seen by the
// next read.
Task<Status> RedisUnits::wait_for_entry(UnitPtr unit, Millis wait) {
  auto const stops = unit->stops;
  if (unit->blocking == nullptr || !unit->blocking->is_open()) {
    auto opened = co_await client_.open_own();
    if (!opened) co_return std::unexpected(opened.error());
    if (unit->stops != stops) {
      (*opened)->close({ErrorCode::cancelled, "the unit is not read any more", {}});
      co_return Status{};
    }
    unit->blocking = *std::move(opened);
  }
  auto const connection = unit->blocking;
  Command block{"XREAD",
                "BLOCK",
                fmt::to_string(wait.count()),
                "COUNT",
                "1",
                "STREAMS",
                out_of(unit->name),
                unit->done_with.empty() ? "0-0" : unit->done_with};
  auto const woken =
      co_await connection->call(std::move(block), "wait for what a unit says", wait + kBlockGrace);
  if (!woken) co_return std::unexpected(woken.error());
  co_return Status{};
}

std::optional<Error> RedisUnits::problem() const {
  return client_.is_connected() ? std::nullopt : client_.problem();
}

void RedisUnits::done_with(std::string const& unit, std::string const& id) {
  if (auto const found = find(unit)) found->done_with = id;
}

void RedisUnits::stop_reading(std::string const& unit) {
  auto const found = find(unit);
  if (found == nullptr) return;
  ++found->stops;
  if (found->blocking)
    found->blocking->close({ErrorCode::cancelled, "the unit is not read any more", {}});
  found->blocking.reset();
}

}  // namespace drover::broker
