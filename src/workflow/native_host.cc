#include "workflow/native_host.h"

#include <exception>

#include "workflow/messages.h"

namespace drover::workflow {

namespace {

json::object error_value(ProcessError const& error) {
  json::object value{{"name", error.name}, {"message", error.message}};
  if (!error.data.is_null()) value.emplace("data", error.data);
  return value;
}

// What the process came to is what the run comes to.
Flow<bool> run_process(FlowMachine& machine, ProcessContext& context, Process process,
                       json::value inputs) {
  StepResult result;
  try {
    result = co_await process(context, std::move(inputs));
  } catch (std::exception const& thrown) {
    result = std::unexpected(ProcessError{"Error", thrown.what(), nullptr});
  }
  if (result)
    machine.finish(json::object{{"output", *std::move(result)}});
  else
    machine.finish(json::object{{"error", error_value(result.error())}});
  co_return true;
}

json::object const* member(json::object const& message, std::string_view key) {
  auto const* const found = message.if_contains(key);
  return found == nullptr ? nullptr : found->if_object();
}

}  // namespace

Result<Process> NativeProcesses::find(std::string_view name) const {
  if (auto const found = processes_.find(name); found != processes_.end()) return found->second;
  std::string names;
  for (auto const& [each, _] : processes_)
    names += (names.empty() ? "" : ", ") + each;
  return fail_next(
      ErrorCode::not_found, "this program has no process " + std::string{name},
      names.empty() ? "it has none: the program that made the run has it" : "it has: " + names);
}

Status NativeHost::start(json::object const& said) {
  ProcessStart start;
  start.run_id = text_of(said, "runId");
  start.run_folder = text_of(said, "runDir");
  auto const* const alone = said.if_contains("nonInteractive");
  start.non_interactive = alone != nullptr && alone->is_bool() && alone->get_bool();
  if (text_of(said, "generation") == "counted")
    return fail(ErrorCode::unsupported,
                "run {} counts its steps, as only processes in JavaScript do", start.run_id);
  machine_ = std::make_unique<FlowMachine>();
  context_ = std::make_unique<ProcessContext>(*machine_, std::move(start));
  auto const* const inputs = said.if_contains("inputs");
  scope_ = machine_->open_scope(nullptr);
  machine_->start(
      run_process(*machine_, *context_, process_, inputs == nullptr ? json::value{} : *inputs),
      scope_);
  return {};
}

json::object NativeHost::answer(json::object const& query) const {
  auto const* const arguments = query.if_contains("args");
  auto answered =
      context_->answered(text_of(query, "name"), arguments == nullptr ? json::value{} : *arguments);
  if (answered) return json::object{{"answer", *std::move(answered)}};
  return json::object{{"failed", error_value(answered.error())}};
}

void NativeHost::take_turn() {
  machine_->run();
  said_ = machine_->turn();
}

Status NativeHost::write(json::value const& value) {
  auto const* const message = value.if_object();
  if (message == nullptr) return fail(ErrorCode::internal, "a host is told objects");
  if (auto const* const said = member(*message, "start")) {
    DROVER_TRY(start(*said));
    take_turn();
    return {};
  }
  if (machine_ == nullptr) return fail(ErrorCode::internal, "a host is started first");
  if (message->contains("where")) {
    said_ =
        json::object{{"where", machine_->where(message->at("where").to_number<std::uint64_t>())}};
    return {};
  }
  if (auto const* const query = member(*message, "query")) {
    said_ = answer(*query);
    return {};
  }
  if (auto const* const recalled = message->if_contains("value")) {
    machine_->give_recalled(*recalled);
  } else {
    for (auto const& result : array_of(*message, "results"))
      if (result.is_object()) machine_->give(result.get_object());
    if (auto const& fresh = array_of(*message, "fresh"); !fresh.empty()) machine_->describe(fresh);
  }
  take_turn();
  return {};
}

Result<json::value> NativeHost::read() {
  if (!said_) return fail(ErrorCode::internal, "the process has nothing to say");
  json::value said = *std::move(said_);
  said_.reset();
  return said;
}

}  // namespace drover::workflow
