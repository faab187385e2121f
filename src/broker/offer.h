#pragma once
// An offer says that a run could be claimed; only the queue's answer to whoever takes it up makes a
// claim. So an offer may be late, come twice or get lost without harm.
//
// Where offers go: `task:dispatch:<type>` for priority normal, with `:critical`, `:high` or `:low`
// behind it for the others, and before that `@<pool>` for a pool that is not "default" and
// `?<labels>` ("gpu=a100,zone=eu") where labels are asked for. All names are percent-coded. The
// group of all workers is `agent-workers`.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/dispatch_queue.h"
#include "broker/priority.h"

namespace drover::broker {

inline constexpr std::string_view kWorkerGroup = "agent-workers";
inline constexpr std::string_view kDefaultPool = "default";

struct OfferLane {
  std::string task_type;
  std::string pool;
  PriorityLevel level = PriorityLevel::normal;
  Labels labels{};
  friend auto operator<=>(OfferLane const&, OfferLane const&) = default;
};
[[nodiscard]] std::string stream_of(OfferLane const& lane);

struct Offer {
  OfferedRun offered;
  OfferLane lane;
  friend bool operator==(Offer const&, Offer const&) = default;
};
// As the fields of a stream's entry: run, after, type, pool, priority, and labels where there are
// any.
[[nodiscard]] std::vector<std::string> to_fields(Offer const& offer);
// nullopt for what drover did not write.
[[nodiscard]] std::optional<Offer> offer_of(std::vector<std::string> const& fields);

// What the queue says to whoever makes its offers known. On the event loop.
class OfferSource {
 public:
  virtual ~OfferSource() = default;
  // What could be claimed now: of each lane the first `most`, in the order of going.
  [[nodiscard]] virtual std::vector<Offer> offerable(std::size_t most) = 0;
  // Whether the entry is still as it was offered: there, its turn, not claimed since.
  [[nodiscard]] virtual bool stands(OfferedRun const& offered) const = 0;
  // Called after every change; it must not call back into the queue at once.
  virtual void on_change(std::function<void()> handler) = 0;
};

}  // namespace drover::broker
