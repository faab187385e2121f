#include "workflow/document_process.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::workflow {

namespace {

// inputs, steps, vars, and what a loop names. Branches have copies, so that what one of them does
// is nothing to the others, in whatever order they go on.
using Names = std::shared_ptr<json::object>;

// Shared with branches, which may outlive who began them.
struct Run : std::enable_shared_from_this<Run> {
  Run(ProcessContext& context, std::shared_ptr<Document const> what, std::string where)
      : ctx(context), document(std::move(what)), file(std::move(where)) {}
  [[nodiscard]] std::shared_ptr<Run const> self() const { return shared_from_this(); }

  ProcessContext& ctx;
  std::shared_ptr<Document const> document;
  std::string file;
};

constexpr std::string_view kHalt = "HaltError";
constexpr std::string_view kCancelled = "EffectCancelledError";

bool must_pass(ProcessError const& error) {
  return error.name == kHalt || error.name == kCancelled;
}

ProcessError wrong(Run const& run, DocumentStep const& step, std::string const& message) {
  return {"ExpressionError", fmt::format("{}:{}: {}", run.file, step.line, message), nullptr};
}

json::object error_value(ProcessError const& error) {
  json::object value{{"name", error.name}, {"message", error.message}};
  if (!error.data.is_null()) value.emplace("data", error.data);
  return value;
}

StepResult rendered(Run const& run, DocumentStep const& step, json::value const& value,
                    Names const& names) {
  auto result = render(value, *names);
  if (!result) return std::unexpected(wrong(run, step, result.error().message));
  return *std::move(result);
}

std::expected<bool, ProcessError> holds(Run const& run, DocumentStep const& step,
                                        Expression const& condition, Names const& names) {
  auto const value = condition.evaluate(*names);
  if (!value) return std::unexpected(wrong(run, step, value.error().message));
  if (value->is_bool()) return value->get_bool();
  return std::unexpected(wrong(run, step, "a condition is true or false"));
}

Place place_of(Run const& run, DocumentStep const& step) {
  return Place{fmt::format("{}:{}", run.file, step.line)};
}

std::string title_of(DocumentStep const& step, std::string_view usual) {
  return step.label.empty() ? std::string{usual} : step.label;
}

// {kind, title, KIND: {…}} of what is carried out.
std::expected<json::object, ProcessError> definition_of(Run const& run, DocumentStep const& step,
                                                        Names const& names) {
  auto const beside = rendered(run, step, step.more, names);
  if (!beside) return std::unexpected(beside.error());
  json::object more = beside->as_object();
  json::object definition;
  auto const lift = [&](std::string_view name) {
    if (auto const* const member = more.if_contains(name)) {
      definition.emplace(name, *member);
      more.erase(name);
    }
  };
  if (step.kind == StepKind::shell) {
    more.emplace("command", step.body);
    definition = json::object{{"kind", "shell"}, {"title", title_of(step, "shell")}};
    lift("sandbox");
    lift("idempotent");
    definition.emplace("shell", std::move(more));
    return definition;
  }
  auto const own = rendered(run, step, step.body, names);
  if (!own) return std::unexpected(own.error());
  if (step.kind == StepKind::task) {
    if (!own->is_object()) return std::unexpected(wrong(run, step, "a task is a map"));
    definition = own->get_object();
    if (!definition.contains("title")) definition.emplace("title", title_of(step, "task"));
    return definition;
  }
  bool const is_node = step.kind == StepKind::node;
  std::string_view const kind = is_node ? "node" : "agent";
  definition = json::object{{"kind", kind}, {"title", title_of(step, kind)}};
  lift("sandbox");
  lift("idempotent");
  more.emplace(is_node ? "entry" : "name", *own);
  if (auto const with = more.find("with"); with != more.end()) {
    json::value const members = with->value();
    more.erase(with);
    if (!members.is_object()) return std::unexpected(wrong(run, step, "with is a map"));
    for (auto const& member : members.get_object())
      more.emplace(member.key(), member.value());
  }
  definition.emplace(kind, std::move(more));
  return definition;
}

// A command that failed is a result to the engine; to a document it is an error, unless it says
// otherwise.
StepResult as_step(DocumentStep const& step, StepResult result) {
  if (step.kind != StepKind::shell || !result || !result->is_object()) return result;
  auto const* const success = result->get_object().if_contains("success");
  if (success == nullptr || !success->is_bool() || success->get_bool()) return result;
  auto const exit_code = integer_or(result->get_object(), "exitCode", 1);
  auto const what = string_or(result->get_object(), "error", "");
  ProcessError error{
      "ShellError",
      what.empty() ? fmt::format("the command ended with {}", exit_code) : std::string{what},
      *result};
  return std::unexpected(std::move(error));
}

Flow<StepResult> run_steps(Run const& run, DocumentSteps const& steps, Names names);

// What was said last of an effect that nothing more was heard of, for the next attempt at it.
json::value last_heartbeat(StepResult const& result) {
  auto const* const data = result ? nullptr : result.error().data.if_object();
  auto const* const said = data == nullptr ? nullptr : data->if_contains("heartbeat");
  return said == nullptr ? json::value{} : *said;
}

// Whatever is carried out outside, with the attempts that the step has.
Flow<StepResult> carry_out(Run const& run, DocumentStep const& step, Names names) {
  auto definition = definition_of(run, step, names);
  if (!definition) co_return std::unexpected(definition.error());
  TaskCall call;
  if (step.heartbeat) definition->insert_or_assign("heartbeatTimeoutMs", step.heartbeat->count());
  call.id = step.id.empty() ? std::string{string_or(*definition, "kind", "task")} : step.id;
  call.label = step.label;
  call.arguments = json::value(*definition);
  call.definition = *std::move(definition);
  call.timeout = step.timeout;
  for (int attempt = 1;; ++attempt) {
    auto const ended = co_await run.ctx.task(call, place_of(run, step));
    auto result = as_step(step, ended);
    if (result || attempt >= step.retry.attempts || must_pass(result.error())) co_return result;
    if (auto said = last_heartbeat(result); !said.is_null())
      call.definition.insert_or_assign("lastHeartbeat", std::move(said));
    auto const wait = backoff_of(step.retry, attempt);
    auto const waited = co_await run.ctx.sleep(wait, place_of(run, step));
    if (!waited) co_return waited;
  }
}

Flow<StepResult> ask_person(Run const& run, DocumentStep const& step, Names names) {
  auto payload = rendered(run, step, step.body, names);
  if (!payload) co_return payload;
  BreakpointCall call;
  call.label = title_of(step, "Breakpoint");
  call.id = step.id;
  if (payload->is_string())
    call.payload = json::object{{"question", *payload}};
  else
    call.payload = *std::move(payload);
  co_return co_await run.ctx.breakpoint(std::move(call), place_of(run, step));
}

Flow<StepResult> sleep_a_while(Run const& run, DocumentStep const& step, Names names) {
  auto const said = rendered(run, step, step.body, names);
  if (!said) co_return said;
  json::value const* time = &*said;
  if (auto const* const map = said->if_object()) time = map->if_contains("until");
  std::string const text{time->is_string() ? std::string_view{time->get_string()} : ""};
  if (said->is_object()) {
    auto const until = parse_rfc3339(text);
    if (!until)
      co_return std::unexpected(wrong(run, step, fmt::format("'{}' is no time", printable(text))));
    co_return co_await run.ctx.sleep_until(to_unix_ms(*until), place_of(run, step));
  }
  auto const duration = parse_duration(text);
  if (!duration)
    co_return std::unexpected(
        wrong(run, step, fmt::format("'{}' is no duration", printable(text))));
  co_return co_await run.ctx.sleep(*duration, place_of(run, step));
}

Flow<StepResult> run_child(Run const& run, DocumentStep const& step, Names names) {
  auto const entry = rendered(run, step, step.body, names);
  if (!entry) co_return entry;
  if (!entry->is_string())
    co_return std::unexpected(wrong(run, step, "a child is named by a text"));
  auto const inputs = rendered(run, step, step.more, names);
  if (!inputs) co_return inputs;
  auto const* const given = inputs->as_object().if_contains("inputs");
  json::value const passed = given == nullptr ? json::value{} : *given;
  std::string const file{entry->get_string()};
  co_return co_await run.ctx.child(file, passed, place_of(run, step));
}

// The steps in names of their own; what they come to, or the step's output.
Flow<StepResult> run_apart(Run const& run, DocumentStep const& step, DocumentSteps const& steps,
                           Names names) {
  auto const result = co_await run_steps(run, steps, names);
  if (!result || !step.output) co_return result;
  co_return rendered(run, step, *step.output, names);
}

Flow<StepResult> run_for_each(Run const& run, DocumentStep const& step, Names names) {
  auto const items = rendered(run, step, step.body, names);
  if (!items) co_return items;
  if (!items->is_array()) co_return std::unexpected(wrong(run, step, "for_each goes over a list"));
  std::vector<Branch> branches;
  std::int64_t index = 0;
  for (auto const& item : items->get_array()) {
    auto own = std::make_shared<json::object>(*names);
    (*own)[step.variable] = item;
    (*own)["index"] = index++;
    branches.emplace_back(
        [keep = run.self(), &step, own] { return run_apart(*keep, step, step.steps, own); });
  }
  co_return co_await run.ctx.all(std::move(branches), step.concurrency);
}

Flow<StepResult> run_parallel(Run const& run, DocumentStep const& step, Names names) {
  std::vector<Branch> branches;
  for (auto const& branch : step.branches) {
    auto own = std::make_shared<json::object>(*names);
    branches.emplace_back([keep = run.self(), &step, &branch, own] {
      return run_apart(*keep, step, branch.second, own);
    });
  }
  auto const results = co_await run.ctx.all(std::move(branches), step.concurrency);
  if (!results) co_return results;
  json::object by_name;
  for (std::size_t i = 0; i < step.branches.size(); ++i)
    by_name.emplace(step.branches[i].first, results->as_array()[i]);
  co_return json::value(std::move(by_name));
}

// In the names around it, for what goes round is what changes them.
Flow<StepResult> run_loop(Run const& run, DocumentStep const& step, Names names) {
  json::value last;
  for (std::int64_t round = 0;; ++round) {
    (*names)["index"] = round;
    if (step.loop_while) {
      auto const goes_on = holds(run, step, *step.loop_while, names);
      if (!goes_on) co_return std::unexpected(goes_on.error());
      if (!*goes_on) co_return last;
    }
    if (round >= step.loop_max)
      co_return std::unexpected(ProcessError{
          "LoopError",
          fmt::format("{}:{}: it went round {} times, its max", run.file, step.line, round),
          nullptr});
    auto const result = co_await run_steps(run, step.steps, names);
    if (!result) co_return result;
    last = *result;
    if (!step.loop_until) continue;
    auto const is_done = holds(run, step, *step.loop_until, names);
    if (!is_done) co_return std::unexpected(is_done.error());
    if (*is_done) co_return last;
  }
}

Flow<StepResult> run_block(Run const& run, DocumentStep const& step, Names names) {
  auto const result = co_await run_apart(run, step, step.steps, names);
  if (result || !step.has_handler || must_pass(result.error())) co_return result;
  (*names)["error"] = error_value(result.error());
  co_return co_await run_steps(run, step.handler, names);
}

// Those that ask for nothing.
StepResult say(Run const& run, DocumentStep const& step, Names const& names) {
  auto const own = rendered(run, step, step.body, names);
  if (!own) return own;
  if (step.kind == StepKind::set) {
    auto& vars = (*names)["vars"].as_object();
    for (auto const& member : own->as_object())
      vars[member.key()] = member.value();
    return own;
  }
  std::string const text =
      own->is_string() ? std::string{own->get_string()} : json::serialize(*own);
  if (step.kind == StepKind::log) {
    run.ctx.log(step.label, text);
    return own;
  }
  if (step.kind == StepKind::fail) return std::unexpected(ProcessError{"Error", text, nullptr});
  auto const more = rendered(run, step, step.more, names);
  if (!more) return more;
  auto const* const payload = more->as_object().if_contains("payload");
  return run.ctx.halt(text, payload == nullptr ? json::value{} : *payload);
}

Flow<StepResult> run_kind(Run const& run, DocumentStep const& step, Names names) {
  switch (step.kind) {
    case StepKind::shell:
    case StepKind::node:
    case StepKind::agent:
    case StepKind::task:
      co_return co_await carry_out(run, step, names);
    case StepKind::breakpoint:
      co_return co_await ask_person(run, step, names);
    case StepKind::sleep:
      co_return co_await sleep_a_while(run, step, names);
    case StepKind::child:
      co_return co_await run_child(run, step, names);
    case StepKind::for_each:
      co_return co_await run_for_each(run, step, names);
    case StepKind::parallel:
      co_return co_await run_parallel(run, step, names);
    case StepKind::loop:
      co_return co_await run_loop(run, step, names);
    case StepKind::block:
      co_return co_await run_block(run, step, names);
    case StepKind::set:
    case StepKind::fail:
    case StepKind::halt:
    case StepKind::log:
      co_return say(run, step, names);
    case StepKind::signal:
      break;
  }
  auto const name = rendered(run, step, step.body, names);
  if (!name) co_return name;
  std::string const text =
      name->is_string() ? std::string{name->get_string()} : json::serialize(*name);
  co_return co_await run.ctx.signal(text, place_of(run, step));
}

Flow<StepResult> run_step(Run const& run, DocumentStep const& step, Names names) {
  if (step.condition) {
    auto const is_wanted = holds(run, step, *step.condition, names);
    if (!is_wanted) co_return std::unexpected(is_wanted.error());
    if (!*is_wanted) co_return json::value{};
  }
  if (step.timeout && (step.kind == StepKind::breakpoint || step.kind == StepKind::signal ||
                       step.kind == StepKind::child)) {
    Branch const branch = [keep = run.self(), &step, names] {
      return run_kind(*keep, step, names);
    };
    co_return co_await run.ctx.within(*step.timeout, title_of(step, "step"), branch);
  }
  co_return co_await run_kind(run, step, names);
}

Flow<StepResult> run_steps(Run const& run, DocumentSteps const& steps, Names names) {
  json::value last;
  for (auto const& step : steps) {
    auto result = co_await run_step(run, step, names);
    if (!result && step.continue_on_error && !must_pass(result.error())) {
      // A shell's own result says it best.
      ProcessError const error = result.error();
      result = error.name == "ShellError"
                   ? error.data
                   : json::value(json::object{{"success", false}, {"error", error_value(error)}});
    }
    if (!result) co_return result;
    last = *result;
    if (!step.id.empty()) (*names)["steps"].as_object()[step.id] = last;
  }
  co_return last;
}

std::expected<json::object, ProcessError> inputs_of(Document const& document,
                                                    json::value const& given) {
  json::object inputs = document.defaults;
  if (auto const* const object = given.if_object()) {
    for (auto const& member : *object) {
      bool const known = document.inputs.empty() ||
                         std::ranges::find(document.inputs, std::string_view{member.key()}) !=
                             document.inputs.end();
      if (!known)
        return std::unexpected(ProcessError{
            "InputError", fmt::format("the workflow has no input '{}'", printable(member.key())),
            nullptr});
      inputs[member.key()] = member.value();
    }
  } else if (!given.is_null()) {
    return std::unexpected(ProcessError{"InputError", "inputs are an object", nullptr});
  }
  for (auto const& name : document.required)
    if (!inputs.contains(name))
      return std::unexpected(
          ProcessError{"InputError", fmt::format("the input '{}' is missing", name), nullptr});
  return inputs;
}

Flow<StepResult> run_document(ProcessContext& ctx, json::value given,
                              std::shared_ptr<Document const> document, std::string file) {
  auto inputs = inputs_of(*document, given);
  if (!inputs) co_return std::unexpected(inputs.error());
  auto const shared = std::make_shared<Run const>(ctx, document, std::move(file));
  Run const& run = *shared;
  auto const names = std::make_shared<json::object>();
  names->emplace("inputs", *std::move(inputs));
  names->emplace("steps", json::object{});
  names->emplace("vars", json::object{});
  auto const result = co_await run_steps(run, document->steps, names);
  if (!result || !document->output) co_return result;
  auto output = render(*document->output, *names);
  if (!output)
    co_return std::unexpected(
        ProcessError{"ExpressionError",
                     fmt::format("{}: output: {}", run.file, output.error().message), nullptr});
  co_return *std::move(output);
}

}  // namespace

Process document_process(std::shared_ptr<Document const> document, std::string file) {
  return [document = std::move(document), file = std::move(file)](ProcessContext& ctx,
                                                                  json::value inputs) {
    return run_document(ctx, std::move(inputs), document, file);
  };
}

}  // namespace drover::workflow
