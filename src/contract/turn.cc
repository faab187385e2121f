#include "contract/turn.h"

#include <utility>

#include "contract/fields.h"
#include "contract/schemas.h"

namespace drover::contract {

namespace {

constexpr std::array<Named<Decision>, 3> kDecisions = {{{Decision::approved, "approved"},
                                                        {Decision::rejected, "rejected"},
                                                        {Decision::expired, "expired"}}};

Result<Turn> message_of(json::object const& object) {
  MessageTurn turn;
  turn.prompt = text_at(object, "prompt");
  turn.turn_id = optional_text(object, "turn_id");
  if (auto run = optional_text(object, "run")) turn.run = RunId::trusted(*std::move(run));
  if (auto const epoch = optional_int(object, "epoch")) turn.epoch = Epoch{*epoch};
  turn.nonce = optional_text(object, "nonce");
  turn.model = optional_text(object, "model");
  if (auto const* limits = object.if_contains("limits")) {
    auto parsed = parse_limits(*limits);
    if (!parsed) return std::unexpected(std::move(parsed).error());
    turn.limits = *parsed;
  }
  return turn;
}

json::object to_json(MessageTurn const& turn) {
  json::object out;
  out["type"] = "message";
  put(out, "turn_id", turn.turn_id);
  if (turn.run) out["run"] = turn.run->str();
  if (turn.epoch) out["epoch"] = static_cast<std::int64_t>(*turn.epoch);
  put(out, "nonce", turn.nonce);
  out["prompt"] = turn.prompt;
  put(out, "model", turn.model);
  if (turn.limits != Limits{}) out["limits"] = contract::to_json(turn.limits);
  return out;
}

json::object to_json(InterruptTurn const&) {
  return {{"type", "interrupt"}};
}
json::object to_json(StopTurn const&) {
  return {{"type", "stop"}};
}
json::object to_json(SteerTurn const& turn) {
  return {{"type", "steer"}, {"prompt", turn.prompt}};
}

json::object to_json(ApprovalTurn const& turn) {
  json::object out;
  out["type"] = "approval";
  out["id"] = turn.id;
  out["decision"] = to_string(turn.decision);
  put(out, "note", turn.note);
  return out;
}

}  // namespace

Result<Turn> parse_turn(std::string_view text) {
  auto const value = parse_checked(Contract::event, "turn", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  auto const type = text_at(object, "type");
  if (type == "message") return message_of(object);
  if (type == "interrupt") return InterruptTurn{};
  if (type == "steer") return SteerTurn{text_at(object, "prompt")};
  if (type == "approval")
    return ApprovalTurn{.id = text_at(object, "id"),
                        .decision = *value_of(kDecisions, text_at(object, "decision")),
                        .note = optional_text(object, "note")};
  return StopTurn{};
}

std::string print(Turn const& turn) {
  return std::visit([](auto const& one) { return json::serialize(to_json(one)); }, turn);
}

std::string_view to_string(Decision decision) {
  return name_of(kDecisions, decision);
}

}  // namespace drover::contract
