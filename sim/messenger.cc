#include "sim/messenger.h"

#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace drover::sim {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kWindow = 4;
constexpr Millis kCheckEvery{3'000};
constexpr Millis kAgain{200};
constexpr std::size_t kStreams = 8;
constexpr std::size_t kEvents = 16;

struct Standing {
  std::string name;
  std::int64_t last_seq = 0;
  bool closed = false;
};

Task<void> pause(asio::steady_timer& timer, Nanos time) {
  timer.expires_after(time);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace

Messenger::Messenger(MessengerParts parts)
    : parts_(parts),
      book_(kWindow),
      offer_timer_(std::make_shared<asio::steady_timer>(parts.io)),
      copy_timer_(std::make_shared<asio::steady_timer>(parts.io)) {}

Messenger::~Messenger() {
  parts_.queue.on_change(nullptr);
  parts_.streams.on_publish(nullptr);
}

void Messenger::start() {
  parts_.queue.on_change([this] {
    offers_change_ = true;
    offer_timer_->cancel();
  });
  parts_.streams.on_publish([this](broker::EmbeddedStreams::Published const& events) {
    mirror_.published(events.name, events.first_seq, events.last_seq, events.closed);
    copy_timer_->cancel();
  });
  asio::co_spawn(parts_.io, offer_all(), asio::detached);
  asio::co_spawn(parts_.io, copy_all(), asio::detached);
}

void Messenger::taken_up(broker::OfferedRun const& offered) {
  book_.forget(offered);
  taken_while_sent_.insert(offered.run);
}

// Written and answered, or nobody knows.
template <class Op>
Task<Result<std::invoke_result_t<Op&, Redis&>>> Messenger::call(Op op) {
  asio::steady_timer timer{parts_.io};
  co_await pause(timer, parts_.redis.delay());
  if (parts_.redis.breaks()) co_return fail(ErrorCode::unavailable, "Redis is away");
  auto value = op(parts_.redis);
  co_await pause(timer, parts_.redis.delay());
  if (parts_.redis.breaks()) co_return fail(ErrorCode::unavailable, "Redis is away");
  co_return value;
}

Task<void> Messenger::offer_all() {
  Timer const timer = offer_timer_;
  std::uint64_t generation = 0;
  for (;;) {
    auto const now = parts_.redis.generation();
    offers_change_ = false;
    auto const done = co_await offer_round(now != generation);
    generation = done && now == parts_.redis.generation() ? now : 0;
    if (!done) {
      co_await pause(*timer, kAgain);
    } else if (!offers_change_) {
      co_await pause(*timer, generation == 0 ? Nanos{kAgain} : Nanos{kCheckEvery});
    }
  }
}

Task<Status> Messenger::offer_round(bool doubtful) {
  bool const due = std::chrono::steady_clock::now() - checked_at_ >= kCheckEvery;
  if ((doubtful || due) && parts_.defect != Defect::trusting_relay) {
    auto const righted = co_await reconcile();
    if (!righted) co_return righted;
    checked_at_ = std::chrono::steady_clock::now();
  }
  auto const stands = [this](broker::OfferedRun const& offered) {
    return parts_.queue.stands(offered);
  };
  for (;;) {
    auto const withdrawn = book_.take_withdrawn(stands);
    auto const offers = book_.to_send(parts_.queue.offerable(kWindow));
    if (offers.empty() && withdrawn.empty()) co_return Status{};
    for (broker::Offer const& offer : offers)
      lanes_.insert(offer.lane);
    taken_while_sent_.clear();
    auto const ids = co_await call([offers, withdrawn](Redis& redis) {
      for (auto const& placed : withdrawn)
        redis.remove(placed.offer.lane, placed.id);
      std::vector<std::string> added;
      for (broker::Offer const& offer : offers)
        added.push_back(redis.add(offer));
      return added;
    });
    if (!ids) co_return std::unexpected(ids.error());
    for (std::size_t i = 0; i < offers.size(); ++i)
      if (!taken_while_sent_.contains(offers[i].offered.run)) book_.sent(offers[i], (*ids)[i]);
  }
}

Task<Status> Messenger::reconcile() {
  // Of a process that knows none yet: all that its queue could offer to.
  for (broker::Offer const& offer : parts_.queue.offerable(kWindow))
    lanes_.insert(offer.lane);
  for (std::size_t level = 0; level < broker::kPriorityLevels; ++level)
    lanes_.insert({"background-agent", "default", static_cast<broker::PriorityLevel>(level)});
  auto const stands = [this](broker::OfferedRun const& offered) {
    return parts_.queue.stands(offered);
  };
  for (broker::OfferLane const& lane : lanes_) {
    auto const found = co_await call([lane](Redis& redis) { return redis.range(lane); });
    if (!found) co_return std::unexpected(found.error());
    auto const others = book_.reconcile(lane, *found, stands);
    auto const removed = co_await call([lane, others](Redis& redis) {
      for (std::string const& id : others)
        redis.remove(lane, id);
      return others.size();
    });
    if (!removed) co_return std::unexpected(removed.error());
  }
  co_return Status{};
}

Task<void> Messenger::copy_all() {
  Timer const timer = copy_timer_;
  for (;;) {
    auto const now = parts_.redis.generation();
    auto const done = co_await copy_round(now != copied_to_);
    copied_to_ = done && now == parts_.redis.generation() ? now : 0;
    if (copied_to_ == 0) {
      co_await pause(*timer, kAgain);
    } else if (mirror_.done()) {
      co_await pause(*timer, kCheckEvery);
    }
  }
}

Task<Status> Messenger::copy_round(bool doubtful) {
  if (doubtful) {
    auto const doubted = co_await doubt_copies();
    if (!doubted) co_return doubted;
  }
  while (!mirror_.done())
    for (broker::MirrorBook::Next const& next : mirror_.next(kStreams)) {
      std::vector<broker::EventPtr> events;
      if (next.after) {
        auto name = broker::StreamName::parse(next.name);
        if (!name) co_return std::unexpected(name.error());
        auto reader = parts_.streams.open_reader(*name, *next.after);
        if (!reader) co_return std::unexpected(reader.error());
        auto batch = co_await (*reader)->next(kEvents, Millis{0});
        if (!batch) co_return std::unexpected(batch.error());
        events = std::move(batch->events);
      }
      auto const have = co_await call([next, events](Redis& redis) {
        return redis.append(next.name, next.after.value_or(0), events);
      });
      if (!have) co_return std::unexpected(have.error());
      mirror_.answered(next.name, *have);
    }
  co_return Status{};
}

Task<Status> Messenger::doubt_copies() {
  auto const standing =
      co_await parts_.readers.run([](store::Database& database) -> Result<std::vector<Standing>> {
        auto rows = database.query(
            "SELECT name, last_seq, closed FROM streams WHERE last_seq>0 ORDER BY id");
        if (!rows) return std::unexpected(rows.error());
        std::vector<Standing> all;
        for (;;) {
          auto const more = rows->step();
          if (!more) return std::unexpected(more.error());
          if (!*more) return all;
          all.push_back({std::string{rows->text(0)}, rows->integer(1), rows->integer(2) != 0});
        }
      });
  if (!standing) co_return std::unexpected(standing.error());
  for (Standing const& stream : *standing)
    mirror_.doubt(stream.name, stream.last_seq, stream.closed);
  co_return Status{};
}

}  // namespace drover::sim
