#include "workflow/process.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "workflow/flow_awaits.h"

namespace drover::workflow {

namespace {

// As sdk/js/lib/keys.cjs has it.
std::string slug(std::string_view text) {
  std::string result;
  for (char const raw : text) {
    char const c = raw >= 'A' && raw <= 'Z' ? static_cast<char>(raw - 'A' + 'a') : raw;
    bool const stays = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (stays)
      result += c;
    else if (!result.ends_with('-'))
      result += '-';
  }
  while (result.starts_with('-'))
    result.erase(0, 1);
  while (result.ends_with('-'))
    result.pop_back();
  return result.empty() ? "breakpoint" : result;
}

EffectCall effect_of(std::string_view kind, std::string_view task_id, std::string label,
                     json::object arguments, Place const& place) {
  EffectCall call;
  call.kind = kind;
  call.task_id = task_id;
  call.label = std::move(label);
  call.arguments = json::value(std::move(arguments));
  call.where = place.text;
  return call;
}

}  // namespace

Millis backoff_of(Retry const& retry, int attempt) {
  double const wait =
      static_cast<double>(retry.backoff.count()) * std::pow(retry.factor, attempt - 1);
  double const most = static_cast<double>(retry.backoff_max.count());
  return Millis{static_cast<std::int64_t>(std::min(wait, most))};
}

Place::Place(std::source_location at) : text(fmt::format("{}:{}", at.file_name(), at.line())) {}

std::string ProcessContext::numbered(std::string const& name) {
  return fmt::format("{}.{}", name, counts_[name]++);
}

Flow<StepResult> ProcessContext::once(TaskCall call, int attempt, Place place) {
  EffectCall effect;
  effect.kind = "task";
  effect.task_id = std::move(call.id);
  effect.label = std::move(call.label);
  effect.arguments = std::move(call.arguments);
  effect.definition = std::move(call.definition);
  effect.where = place.text;
  // Further tries of a step that has a name of its own need names too.
  effect.key =
      call.key.empty() || attempt == 1 ? call.key : fmt::format("{}.try{}", call.key, attempt);
  co_return co_await EffectAwait(std::move(effect));
}

Flow<StepResult> ProcessContext::task(TaskCall call, Place place) {
  for (int attempt = 1;; ++attempt) {
    StepResult result;
    if (call.timeout) {
      Branch const branch = [this, call, attempt, place] { return once(call, attempt, place); };
      result = co_await within(*call.timeout, call.id, branch);
    } else {
      result = co_await once(call, attempt, place);
    }
    if (result || attempt >= call.retry.attempts || result.error().name == "EffectCancelledError")
      co_return result;
    auto const waited = co_await sleep(backoff_of(call.retry, attempt), place);
    if (!waited) co_return waited;
  }
}

Flow<StepResult> ProcessContext::shell(std::string command, std::vector<std::string> args,
                                       Place place) {
  TaskCall call;
  call.id = "shell";
  call.label = command;
  json::object shell{{"command", std::move(command)}};
  if (!args.empty()) shell.emplace("args", json::array(args.begin(), args.end()));
  call.arguments = json::value(shell);
  call.definition = json::object{{"kind", "shell"}, {"title", call.label}, {"shell", shell}};
  co_return co_await task(std::move(call), place);
}

Flow<StepResult> ProcessContext::agent(std::string name, std::string prompt, json::object more,
                                       Place place) {
  TaskCall call;
  call.id = name;
  call.label = name;
  json::object agent = std::move(more);
  agent["name"] = name;
  agent["prompt"] = prompt;
  call.arguments = json::object{{"prompt", std::move(prompt)}};
  call.definition = json::object{{"kind", "agent"}, {"title", name}, {"agent", std::move(agent)}};
  co_return co_await task(std::move(call), place);
}

Flow<StepResult> ProcessContext::breakpoint(BreakpointCall call, Place place) {
  if (start_.non_interactive)
    co_return json::object{{"approved", true},
                           {"response", "Auto-approved (non-interactive mode)"}};
  std::string const id = call.id.empty() ? slug(call.label) : call.id;
  json::object said{{"payload", call.payload}, {"label", call.label}, {"breakpointId", id}};
  auto effect = effect_of("breakpoint", "__sdk.breakpoint", call.label, said, place);
  // When it was asked is no part of what is asked.
  effect.hashed = effect.arguments;
  effect.arguments->as_object().emplace("requestedAt", "");
  effect.key = id;
  effect.stamped = true;
  json::object const approval{{"consecutiveApprovals", 0},
                              {"reason", "No matching auto-approval rule"},
                              {"recommended", false}};
  effect.definition =
      json::object{{"kind", "breakpoint"}, {"title", call.label}, {"autoApproval", approval}};
  co_return co_await EffectAwait(std::move(effect));
}

Flow<StepResult> ProcessContext::sleep(Millis time, Place place) {
  auto const from = co_await now();
  co_return co_await sleep_until(from + time.count(), place);
}

Flow<StepResult> ProcessContext::sleep_until(std::int64_t unix_ms, Place place) {
  std::string const iso = to_rfc3339(from_unix_ms(unix_ms));
  json::object const said{{"targetEpochMs", unix_ms}, {"iso", iso}};
  auto effect = effect_of("sleep", "__sdk.sleep", "sleep:" + iso, said, place);
  effect.until_ms = unix_ms;
  effect.definition = json::object{
      {"kind", "sleep"}, {"title", "sleep:" + iso}, {"sleep", said}, {"metadata", said}};
  co_return co_await EffectAwait(std::move(effect));
}

Flow<StepResult> ProcessContext::signal(std::string name, Place place) {
  json::object const said{{"name", name}};
  auto effect = effect_of("signal", "__drover.signal", name, said, place);
  effect.definition =
      json::object{{"kind", "signal"}, {"title", "signal:" + name}, {"signal", said}};
  effect.signal = std::move(name);
  co_return co_await EffectAwait(std::move(effect));
}

Flow<StepResult> ProcessContext::child(std::string entry, json::value inputs, Place place) {
  json::object const said{{"entry", entry}, {"inputs", std::move(inputs)}};
  auto effect = effect_of("child", "__drover.child", "", said, place);
  effect.definition = json::object{{"kind", "child"}, {"title", "child:" + entry}, {"child", said}};
  co_return co_await EffectAwait(std::move(effect));
}

namespace {

Flow<StepResult> gather(GroupKind kind, std::vector<Branch> branches, std::size_t limit) {
  auto group = std::make_shared<Group>(kind, std::move(branches), limit);
  co_return co_await GroupAwait(std::move(group));
}

}  // namespace

Flow<StepResult> ProcessContext::all(std::vector<Branch> branches, std::size_t limit) {
  return gather(GroupKind::all, std::move(branches), limit);
}
Flow<StepResult> ProcessContext::settled(std::vector<Branch> branches, std::size_t limit) {
  return gather(GroupKind::settled, std::move(branches), limit);
}
Flow<StepResult> ProcessContext::race(std::vector<Branch> branches, std::size_t limit) {
  return gather(GroupKind::race, std::move(branches), limit);
}
Flow<StepResult> ProcessContext::any(std::vector<Branch> branches, std::size_t limit) {
  return gather(GroupKind::any, std::move(branches), limit);
}

namespace {

Flow<StepResult> time_out(ProcessContext& ctx, Millis limit, std::string what) {
  auto const waited = co_await ctx.sleep(limit);
  if (!waited) co_return waited;
  co_return std::unexpected(
      ProcessError{"EffectTimeoutError",
                   fmt::format("{} took longer than {} ms", what, limit.count()), nullptr});
}

}  // namespace

Flow<StepResult> ProcessContext::within(Millis limit, std::string what, Branch branch) {
  std::vector<Branch> branches;
  branches.push_back(std::move(branch));
  branches.emplace_back([this, limit, what] { return time_out(*this, limit, what); });
  co_return co_await race(std::move(branches));
}

Flow<json::value> ProcessContext::recall(std::string kind, std::string key) {
  json::object wanted{{"kind", kind}, {"key", key}};
  co_return co_await RecallAwait(std::move(wanted));
}

Flow<std::int64_t> ProcessContext::now() {
  auto const value = co_await recall("now", numbered("now"));
  co_return value.to_number<std::int64_t>();
}
Flow<double> ProcessContext::random() {
  auto const value = co_await recall("random", numbered("random"));
  co_return value.to_number<double>();
}
Flow<std::string> ProcessContext::uuid() {
  auto const value = co_await recall("uuid", numbered("uuid"));
  co_return std::string{value.as_string()};
}
Flow<bool> ProcessContext::patched(std::string id) {
  auto const value = co_await recall("patched", "patched:" + id);
  co_return value.as_bool();
}

void ProcessContext::answer(std::string const& query, Query answer) {
  queries_[query] = std::move(answer);
}

StepResult ProcessContext::answered(std::string const& query, json::value const& arguments) const {
  auto const found = queries_.find(query);
  if (found != queries_.end()) return found->second(arguments);
  std::string names;
  for (auto const& [name, _] : queries_)
    names += (names.empty() ? "" : ", ") + name;
  return std::unexpected(
      ProcessError{"Error",
                   fmt::format("the process answers no query '{}'; it answers: {}", query,
                               names.empty() ? "none" : names),
                   nullptr});
}

std::unexpected<ProcessError> ProcessContext::halt(std::string const& reason, json::value payload) {
  machine_.finish(
      json::object{{"halt", json::object{{"reason", reason}, {"payload", std::move(payload)}}}});
  return std::unexpected(ProcessError{"HaltError", reason, nullptr});
}

std::unexpected<ProcessError> ProcessContext::continue_as_new(json::value inputs) {
  machine_.finish(json::object{{"again", json::object{{"inputs", std::move(inputs)}}}});
  return std::unexpected(ProcessError{"HaltError", "continued as new", nullptr});
}

}  // namespace drover::workflow
