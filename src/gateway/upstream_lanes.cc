#include "gateway/upstream_lanes.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/digest.h"

namespace drover::gateway {

using std::chrono::steady_clock;

struct UpstreamLanes::Lane {
  explicit Lane(boost::asio::any_io_executor executor) : changed(std::move(executor)) {}
  UpstreamGate gate{GatePolicy{}};
  std::deque<std::uint64_t> waiting;  // numbers of calls, the first to come first
  std::uint64_t next = 0;
  os::AsyncEvent changed;
};

UpstreamLanes::UpstreamLanes(boost::asio::any_io_executor executor, Clock const& clock,
                             Random& random)
    : executor_(std::move(executor)), clock_(clock), random_(random) {}

UpstreamLanes::~UpstreamLanes() = default;

UpstreamLanes::LanePtr UpstreamLanes::lane_of(Upstream const& upstream, Secret const& key) {
  LanePtr& lane = lanes_[upstream.base_url + " " + sha256_hex(key.reveal())];
  if (lane == nullptr) lane = std::make_shared<Lane>(executor_);
  lane->gate.set_requests_max(upstream.requests_max);
  return lane;
}

void UpstreamLanes::leave(Lane& lane, UpstreamOutcome const& outcome) {
  lane.gate.end(clock_.boot_now(), outcome, random_);
  lane.changed.notify();
}

void UpstreamLanes::Pass::end(UpstreamOutcome const& outcome) {
  if (lane_ == nullptr) return;
  lanes_->leave(*std::exchange(lane_, nullptr), outcome);
}

Task<std::expected<UpstreamLanes::Pass, UpstreamLanes::Refusal>> UpstreamLanes::enter(
    Upstream const& upstream, Secret const& key, Millis wait_max, net::HttpReply& client) {
  LanePtr const lane = lane_of(upstream, key);
  std::uint64_t const number = lane->next++;
  lane->waiting.push_back(number);
  bool gone = false;
  client.on_peer_gone([&gone, lane] {
    gone = true;
    lane->changed.notify();
  });
  struct Leaving {
    Lane* lane;
    std::uint64_t number;
    net::HttpReply* client;
    ~Leaving() {
      std::erase(lane->waiting, number);
      lane->changed.notify();
      client->on_peer_gone(nullptr);
    }
  };
  Leaving const leaving{lane.get(), number, &client};
  BootTime const deadline = clock_.boot_now() + wait_max;
  for (;;) {
    BootTime const now = clock_.boot_now();
    auto const seen = lane->changed.version();
    auto const answer = lane->gate.ask(now);
    Refusal refusal;
    refusal.retry_after =
        std::max(std::chrono::duration_cast<Millis>(answer.at - now), Millis{1000});
    if (gone) {
      refusal.kind = Refusal::Kind::client_gone;
      co_return std::unexpected(refusal);
    }
    using Kind = UpstreamGate::Answer::Kind;
    if (answer.kind == Kind::down) {
      refusal.kind = Refusal::Kind::down;
      co_return std::unexpected(refusal);
    }
    if (answer.kind == Kind::go && lane->waiting.front() == number) {
      lane->gate.begin(now);
      co_return Pass{*this, lane};
    }
    bool const too_late = answer.kind == Kind::later && answer.at > deadline;
    if (too_late || now >= deadline) co_return std::unexpected(refusal);
    BootTime const until = answer.kind == Kind::later ? std::min(answer.at, deadline) : deadline;
    co_await lane->changed.wait(seen, steady_clock::now() + (until - now));
  }
}

}  // namespace drover::gateway
