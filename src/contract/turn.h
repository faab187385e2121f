#pragma once
// What the inbox of a unit delivers (event.v1, "turn"). Plain values.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "base/id.h"
#include "contract/invocation.h"

namespace drover::contract {

enum class Decision : std::uint8_t { approved, rejected, expired };

struct MessageTurn {
  std::string prompt;
  std::optional<std::string> turn_id;
  std::optional<RunId> run;
  std::optional<Epoch> epoch;
  std::optional<std::string> nonce;
  std::optional<std::string> model;
  Limits limits;
};
struct InterruptTurn {};
struct SteerTurn {
  std::string prompt;
};
struct ApprovalTurn {
  std::string id;
  Decision decision = Decision::rejected;
  std::optional<std::string> note;
};
struct StopTurn {};
using Turn = std::variant<MessageTurn, InterruptTurn, SteerTurn, ApprovalTurn, StopTurn>;

[[nodiscard]] Result<Turn> parse_turn(std::string_view text);
[[nodiscard]] std::string print(Turn const& turn);
[[nodiscard]] std::string_view to_string(Decision decision);

}  // namespace drover::contract
