#include "worker/third_party_turn.h"

#include <fmt/format.h>

#include <utility>

#include "base/json.h"
#include "base/text.h"

namespace drover::worker {

using contract::EventType;

ThirdPartyTurn::ThirdPartyTurn(RunId run, Epoch epoch, std::string nonce)
    : head_{run, epoch, run.str()},
      name_(fmt::format("{}.{}", run, static_cast<std::int64_t>(epoch))),
      nonce_(std::move(nonce)) {}

Status ThirdPartyTurn::check_turn(contract::UnitEvent const& event) {
  if (event.turn_id == name_ || event.turn_id == other_name_) return {};
  bool const names_it = event.type == EventType::turn_accepted &&
                        string_or(event.body, "nonce", "") == nonce_ && !accepted_;
  if (!names_it)
    return fail(ErrorCode::conflict, "a {} event belongs to the turn '{}', and the turn is {}",
                contract::to_string(event.type), printable(event.turn_id, 80), name_);
  other_name_ = event.turn_id;
  return {};
}

Status ThirdPartyTurn::hear(UnitBatch& batch, std::string_view text) {
  auto const event = contract::parse_unit_event(text);
  if (!event) return std::unexpected(event.error());
  // Its program is there, whichever turn it is at.
  if (event->type == EventType::ping && event->turn_id.empty()) return {};
  DROVER_TRY(check_turn(*event));
  if (event->type == EventType::turn_accepted && accepted_)
    return fail(ErrorCode::conflict, "the turn {} was accepted already", name_);
  DROVER_TRY(add_unit_event(batch, *event, head_));
  accepted_ = batch.accepted = true;
  return {};
}

std::optional<std::string> ThirdPartyTurn::refuse(Error const& why) {
  ++refused_;
  if (refused_ > kRefusedTold) return std::nullopt;
  return fmt::format("an event of the third-party worker was refused: {}{}", why.message,
                     refused_ == kRefusedTold ? "; further ones are not told" : "");
}

}  // namespace drover::worker
