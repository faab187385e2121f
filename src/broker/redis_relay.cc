#include "broker/redis_relay.h"

#include <chrono>
#include <utility>

#include "broker/redis_entries.h"
#include "broker/redis_scripts.h"
#include "redis/failure.h"

namespace drover::broker {

namespace {

using redis::Command;
using redis::Reply;
using Steady = std::chrono::steady_clock;

// More entries than this are not looked at in one go; what is behind them comes at the next.
constexpr int kEntriesMax = 1000;

Status first_error(std::vector<Reply> const& replies, std::string_view what) {
  for (Reply const& reply : replies)
    if (reply.is_error() && redis::error_kind(reply) != "BUSYGROUP")
      return std::unexpected(redis::to_error(reply, what));
  return {};
}

}  // namespace

RedisRelay::RedisRelay(redis::Client& client, OfferSource& source, RelayOptions options)
    : client_(client),
      source_(source),
      options_(options),
      book_(options.window),
      stands_([&source](OfferedRun const& offered) { return source.stands(offered); }) {}

Task<Status> RedisRelay::round(RedisData data) {
  bool const due = Steady::now() - checked_at_ >= options_.check_every;
  std::vector<OfferLane> known{lanes_.begin(), lanes_.end()};
  if (data == RedisData::doubtful) lanes_.clear();
  if (data == RedisData::doubtful || due) {
    auto const righted = co_await reconcile(known);
    if (!righted) co_return righted;
    auto const passed_on = co_await pass_on_stuck(std::move(known));
    if (!passed_on) co_return passed_on;
    checked_at_ = Steady::now();
  }
  // Until there is nothing to send: what changed meanwhile is taken along.
  for (;;) {
    auto withdrawn = book_.take_withdrawn(stands_);
    auto offers = book_.to_send(source_.offerable(options_.window));
    if (offers.empty() && withdrawn.empty()) co_return Status{};
    auto const opened = co_await open_lanes(offers);
    if (!opened) co_return opened;
    auto const sent = co_await send(std::move(offers), std::move(withdrawn));
    if (!sent) co_return sent;
  }
}

// Makes the group of each lane that is new, and takes over what an earlier process left there.
Task<Status> RedisRelay::open_lanes(std::vector<Offer> const& offers) {
  std::set<OfferLane> fresh;
  for (Offer const& offer : offers)
    if (!lanes_.contains(offer.lane)) fresh.insert(offer.lane);
  if (fresh.empty()) co_return Status{};
  std::vector<Command> commands;
  for (OfferLane const& lane : fresh)
    commands.push_back({"XGROUP", "CREATE", stream_of(lane), worker_group(), "0", "MKSTREAM"});
  auto const replies = co_await client_.pipeline(std::move(commands));
  if (!replies) co_return std::unexpected(replies.error());
  auto const made = first_error(*replies, "make the group of workers");
  if (!made) co_return made;
  std::vector<OfferLane> lanes{fresh.begin(), fresh.end()};
  auto const righted = co_await reconcile(std::move(lanes));
  if (!righted) co_return righted;
  bool new_lane = false;
  for (OfferLane const& lane : fresh)
    new_lane = offered_in_.emplace(lane.task_type, lane.pool, lane.labels).second || new_lane;
  if (new_lane && new_lane_) new_lane_();
  lanes_.merge(fresh);
  co_return Status{};
}

Task<Status> RedisRelay::reconcile(std::vector<OfferLane> lanes) {
  std::vector<Command> commands;
  for (OfferLane const& lane : lanes)
    commands.push_back({"XRANGE", stream_of(lane), "-", "+", "COUNT", fmt::to_string(kEntriesMax)});
  auto const replies = co_await client_.pipeline(std::move(commands));
  if (!replies) co_return std::unexpected(replies.error());
  auto const looked = first_error(*replies, "show its offers");
  if (!looked) co_return looked;
  std::vector<Command> removals;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    std::vector<OfferBook::Found> found;
    for (StreamEntry const& entry : entries_of((*replies)[i]))
      found.push_back({entry.id, offer_of(entry.fields)});
    auto const others = book_.reconcile(lanes[i], found, stands_);
    append_removal(removals, stream_of(lanes[i]), others);
  }
  auto const removed = co_await client_.pipeline(std::move(removals));
  if (!removed) co_return std::unexpected(removed.error());
  // NOGROUP is no error of XACK: it counts what it acknowledged.
  co_return first_error(*removed, "remove an offer");
}

Task<Status> RedisRelay::pass_on_stuck(std::vector<OfferLane> lanes) {
  std::vector<Command> commands;
  for (OfferLane const& lane : lanes)
    commands.push_back({"XPENDING", stream_of(lane), worker_group(), "IDLE",
                        fmt::to_string(options_.stuck_after.count()), "-", "+",
                        fmt::to_string(kEntriesMax)});
  auto const replies = co_await client_.pipeline(std::move(commands));
  if (!replies) co_return std::unexpected(replies.error());
  std::vector<redis::Script::Call> calls;
  std::vector<OfferLane> touched;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    if (is_group_gone((*replies)[i])) continue;
    if ((*replies)[i].is_error())
      co_return std::unexpected(redis::to_error((*replies)[i], "show who holds its offers"));
    for (Reply const& pending : (*replies)[i].items)
      if (!pending.items.empty())
        calls.push_back({{stream_of(lanes[i])}, {worker_group(), pending.items[0].text}});
    if (!(*replies)[i].items.empty()) touched.push_back(lanes[i]);
  }
  if (calls.empty()) co_return Status{};
  auto const back = co_await client_.run_all(hand_back_script(), std::move(calls));
  if (!back) co_return std::unexpected(back.error());
  auto const handed = first_error(*back, "take an offer back");
  if (!handed) co_return handed;
  co_return co_await reconcile(std::move(touched));
}

Task<Status> RedisRelay::send(std::vector<Offer> offers, std::vector<OfferBook::Placed> withdrawn) {
  taken_while_sent_.clear();
  std::map<std::string, std::vector<std::string>> gone;
  for (OfferBook::Placed const& placed : withdrawn)
    gone[stream_of(placed.offer.lane)].push_back(placed.id);
  std::vector<Command> commands;
  for (auto const& [stream, ids] : gone)
    append_removal(commands, stream, ids);
  std::size_t const first = commands.size();
  for (Offer const& offer : offers) {
    // NOMKSTREAM: a stream that a flush took away is to be noticed, for its group went with it.
    Command add{"XADD", stream_of(offer.lane), "NOMKSTREAM", "*"};
    for (std::string& field : to_fields(offer))
      add.push_back(std::move(field));
    commands.push_back(std::move(add));
  }
  auto const replies = co_await client_.pipeline(std::move(commands));
  if (!replies) co_return std::unexpected(replies.error());
  auto const noted = note_sent(offers, *replies, first);
  if (!noted) co_return noted;
  co_return first_error(*replies, "offer runs");
}

Status RedisRelay::note_sent(std::vector<Offer> const& offers, std::vector<Reply> const& replies,
                             std::size_t first) {
  bool flushed = false;
  for (std::size_t i = 0; i < offers.size(); ++i) {
    Reply const& reply = replies[first + i];
    bool const is_out = reply.is_text() && !taken_while_sent_.contains(offers[i].offered.run);
    if (is_out) book_.sent(offers[i], reply.text);
    flushed = flushed || reply.is_nil();
  }
  if (flushed)
    return fail(ErrorCode::unavailable, "Redis has lost the streams of offers; they are made anew");
  return {};
}

}  // namespace drover::broker
