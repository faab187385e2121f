#include "workflow/flow_machine.h"

#include <utility>

#include "base/check.h"
#include "base/time.h"
#include "workflow/messages.h"
#include "workflow/step_id.h"

namespace drover::workflow {

namespace {

json::value const* pointer_to(std::optional<json::value> const& value) {
  return value ? &*value : nullptr;
}

bool is_cancelled(FlowScope const* scope) {
  for (; scope != nullptr; scope = scope->parent)
    if (scope->cancelled) return true;
  return false;
}

}  // namespace

void flow_ended(FlowPromise& promise, std::coroutine_handle<> handle) noexcept {
  promise.machine->at_end_.push_back(handle);
}

FlowMachine::~FlowMachine() {
  for (auto* const address : flows_)
    std::coroutine_handle<>::from_address(address).destroy();
}

void FlowMachine::run() {
  while (!ready_.empty() && !recall_) {
    auto const next = ready_.front();
    ready_.pop_front();
    next.resume();
    bury();
  }
}

void FlowMachine::bury() {
  for (auto const& flow : at_end_) {
    flows_.erase(flow.address());
    flow.destroy();
  }
  at_end_.clear();
}

json::object FlowMachine::turn() {
  json::object turn;
  turn.emplace("asks", std::exchange(asks_, {}));
  turn.emplace("defs", std::exchange(definitions_, {}));
  turn.emplace("cancels", std::exchange(cancels_, {}));
  turn.emplace("logs", std::exchange(logs_, {}));
  if (recall_) {
    turn.emplace("recall", recall_->wanted);
    return turn;
  }
  turn.emplace("idle", true);
  if (is_done()) turn.emplace("done", done_);
  return turn;
}

void FlowMachine::ask(EffectCall call, FlowScope* scope, Waiting waiting) {
  if (is_cancelled(scope)) {
    *waiting.result =
        std::unexpected(ProcessError{"EffectCancelledError", "its scope was cancelled", nullptr});
    return resume_later(waiting.flow);
  }
  auto const n = ++asked_;
  auto const* const arguments = pointer_to(call.arguments);
  json::object ask{{"n", n}, {"kind", call.kind}, {"taskId", call.task_id}};
  if (!call.label.empty()) ask.emplace("label", call.label);
  if (!call.key.empty()) ask.emplace("key", call.key);
  ask.emplace("shape", shape_hash(arguments));
  ask.emplace("hash", arguments_hash(call.hashed ? &*call.hashed : arguments));
  if (call.until_ms) ask.emplace("until", *call.until_ms);
  if (!call.signal.empty()) ask.emplace("signal", call.signal);
  asks_.push_back(std::move(ask));
  for (auto* at = scope; at != nullptr; at = at->parent)
    at->effects.insert(n);
  open_.emplace(n, Open{std::move(call), scope, waiting});
}

void FlowMachine::recall(json::object wanted, std::coroutine_handle<> flow, json::value* value) {
  DROVER_CHECK(!recall_);
  recall_ = Recall{std::move(wanted), flow, value};
}

void FlowMachine::give_recalled(json::value value) {
  DROVER_CHECK(recall_);
  auto const recalled = *std::exchange(recall_, std::nullopt);
  if (!recalled.flow) {
    auto const ms = value.is_number() ? value.to_number<std::int64_t>() : 0;
    return define(std::exchange(undescribed_, {}), to_rfc3339(from_unix_ms(ms)));
  }
  *recalled.value = std::move(value);
  ready_.push_front(recalled.flow);
}

void FlowMachine::close(std::uint64_t n, FlowScope* scope) {
  for (auto* at = scope; at != nullptr; at = at->parent)
    at->effects.erase(n);
}

void FlowMachine::give(json::object const& result) {
  auto const found = open_.find(number_of(result));
  if (found == open_.end()) return;
  Open const open = std::move(found->second);
  close(found->first, open.scope);
  open_.erase(found);
  auto const* const ok = result.if_contains("ok");
  if (ok != nullptr && ok->is_bool() && ok->get_bool()) {
    auto const* const value = result.if_contains("value");
    *open.waiting.result = value == nullptr ? json::value{} : *value;
  } else {
    ProcessError error;
    if (auto const* const given = result.if_contains("error");
        given != nullptr && given->is_object()) {
      error.name = string_or(given->get_object(), "name", "Error");
      error.message = string_or(given->get_object(), "message", "Task reported failure");
      if (auto const* const data = given->get_object().if_contains("data")) error.data = *data;
    }
    *open.waiting.result = std::unexpected(std::move(error));
  }
  resume_later(open.waiting.flow);
}

void FlowMachine::describe(json::array const& fresh) {
  bool stamped = false;
  for (auto const& each : fresh) {
    auto const found = open_.find(number_of(each.as_object()));
    if (found != open_.end() && found->second.call.stamped) stamped = true;
  }
  if (!stamped) return define(fresh, "");
  undescribed_ = fresh;
  recall(json::object{{"kind", "clock"}, {"key", ""}}, nullptr, nullptr);
}

void FlowMachine::define(json::array const& fresh, std::string const& stamp) {
  for (auto const& each : fresh) {
    auto const n = number_of(each.as_object());
    auto const found = open_.find(n);
    if (found == open_.end()) continue;
    auto& call = found->second.call;
    if (call.stamped && call.arguments) {
      call.arguments->as_object()["requestedAt"] = stamp;
      call.definition["metadata"] = *call.arguments;
    }
    json::object definition{{"n", n}, {"definition", call.definition}};
    if (call.arguments) definition.emplace("inputs", *call.arguments);
    if (!call.label.empty()) definition.emplace("label", call.label);
    definitions_.push_back(std::move(definition));
  }
}

std::string FlowMachine::where(std::uint64_t n) const {
  auto const found = open_.find(n);
  return found == open_.end() ? "" : found->second.call.where;
}

FlowScope* FlowMachine::open_scope(FlowScope* parent) {
  FlowScope scope;
  scope.parent = parent;
  return &scopes_.emplace_back(std::move(scope));
}

void FlowMachine::cancel(FlowScope& scope, std::string const& reason) {
  scope.cancelled = true;
  auto const effects = scope.effects;
  for (auto const n : effects) {
    auto const found = open_.find(n);
    if (found == open_.end()) continue;
    cancels_.push_back(json::object{{"n", n}, {"reason", reason}});
    Open const open = std::move(found->second);
    close(n, open.scope);
    open_.erase(found);
    *open.waiting.result = std::unexpected(ProcessError{"EffectCancelledError", reason, nullptr});
    resume_later(open.waiting.flow);
  }
}

void FlowMachine::log(std::string_view label, std::string_view message) {
  json::object line{{"seq", ++logged_}};
  if (!label.empty()) line.emplace("label", label);
  line.emplace("message", message);
  logs_.push_back(std::move(line));
}

void FlowMachine::finish(json::object done) {
  if (!is_done()) done_ = std::move(done);
}

}  // namespace drover::workflow
