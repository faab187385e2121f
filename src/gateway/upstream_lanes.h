#pragma once
// Calls on their way to upstreams, one lane for each address and key: in the order in which they
// came, and as `upstream_gate.h` lets them. On the event loop.
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "base/random.h"
#include "base/secret.h"
#include "base/time.h"
#include "gateway/gateway_config.h"
#include "gateway/upstream_gate.h"
#include "net/http_server.h"
#include "os/async_event.h"
#include "os/blocking_pool.h"

namespace drover::gateway {

class UpstreamLanes {
 private:
  struct Lane;
  using LanePtr = std::shared_ptr<Lane>;  // shared with the calls under way

 public:
  UpstreamLanes(boost::asio::any_io_executor executor, Clock const& clock, Random& random);
  ~UpstreamLanes();
  UpstreamLanes(UpstreamLanes const&) = delete;
  UpstreamLanes& operator=(UpstreamLanes const&) = delete;

  // A call that may go. It ends as abandoned where nobody says otherwise.
  class Pass {
   public:
    Pass(UpstreamLanes& lanes, LanePtr lane) : lanes_(&lanes), lane_(std::move(lane)) {}
    Pass(Pass&& other) noexcept = default;
    Pass& operator=(Pass&&) = delete;
    ~Pass() { end({UpstreamOutcome::Kind::abandoned, {}}); }
    // The first word counts.
    void end(UpstreamOutcome const& outcome);

   private:
    UpstreamLanes* lanes_;
    LanePtr lane_;
  };

  // Why a call may not go.
  struct Refusal {
    enum class Kind : std::uint8_t { busy, down, client_gone };
    Kind kind = Kind::busy;
    Millis retry_after{0};
  };

  // Waits for at most `wait_max`, and not at all where it is known to take longer.
  Task<std::expected<Pass, Refusal>> enter(Upstream const& upstream, Secret const& key,
                                           Millis wait_max, net::HttpReply& client);

 private:
  [[nodiscard]] LanePtr lane_of(Upstream const& upstream, Secret const& key);
  void leave(Lane& lane, UpstreamOutcome const& outcome);

  boost::asio::any_io_executor executor_;
  Clock const& clock_;
  Random& random_;
  std::map<std::string, LanePtr> lanes_;
};

}  // namespace drover::gateway
