#pragma once
// What a third-party worker says about one turn: which of its words count, and what they come to.
// Pure.
//
// An event counts when it carries the turn's own name, or the one that a `turn-accepted` with the
// turn's nonce brought first: worker programs may name their turns themselves. Both are new in each
// attempt, so words about an earlier one do not count, whoever says them.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "worker/unit_events.h"

namespace drover::worker {

// Refusals that a turn may have before it is given up, and those that are told.
inline constexpr std::size_t kRefusedMax = 1000;
inline constexpr std::size_t kRefusedTold = 10;

class ThirdPartyTurn {
 public:
  ThirdPartyTurn(RunId run, Epoch epoch, std::string nonce);

  // `<run>.<epoch>`
  [[nodiscard]] std::string const& name() const { return name_; }
  [[nodiscard]] std::string const& nonce() const { return nonce_; }

  // One event more for `batch`. An error is why it is refused; the batch is as it was then. A ping
  // leaves nothing, and need not name the turn. The first event that names it is its acceptance.
  [[nodiscard]] Status hear(UnitBatch& batch, std::string_view event);
  // Counts a refusal, and returns what is to be said of it in the run's stream and the log; nothing
  // behind the first few.
  [[nodiscard]] std::optional<std::string> refuse(Error const& why);
  [[nodiscard]] std::size_t refused() const { return refused_; }
  [[nodiscard]] bool accepted() const { return accepted_; }

 private:
  [[nodiscard]] Status check_turn(contract::UnitEvent const& event);

  contract::EventHead head_;
  std::string name_;
  std::string nonce_;
  std::optional<std::string> other_name_;  // that the program gave it
  bool accepted_ = false;
  std::size_t refused_ = 0;
};

}  // namespace drover::worker
