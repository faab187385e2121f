#include "workflow/execution.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "workflow/create_run.h"
#include "workflow/signals.h"
#include "workflow/ulid.h"

namespace drover::workflow {

namespace {

constexpr std::string_view kSleepTask = "__sdk.sleep";

json::array const& array_of(json::object const& message, std::string_view key) {
  static json::array const kNone;
  auto const* const value = message.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : kNone;
}

std::uint64_t number_of(json::object const& message) {
  return static_cast<std::uint64_t>(integer_or(message, "n", 0));
}

std::string text_of(json::object const& message, std::string_view key) {
  return std::string{string_or(message, key, "")};
}

CallKind kind_of(std::string_view name) {
  if (name == "breakpoint") return CallKind::breakpoint;
  if (name == "sleep") return CallKind::sleep;
  if (name == "orchestrator") return CallKind::orchestrator;
  if (name == "signal") return CallKind::signal;
  if (name == "child") return CallKind::child;
  return CallKind::task;
}

std::optional<std::int64_t> unix_ms(std::string const& time) {
  auto const parsed = parse_rfc3339(time);
  if (!parsed) return std::nullopt;
  return to_unix_ms(*parsed);
}

std::vector<std::string> labels_of(std::string_view label, json::object const& definition) {
  std::vector<std::string> labels;
  auto const add = [&](std::string_view each) {
    std::string text{trim(each)};
    if (!text.empty() && std::ranges::find(labels, text) == labels.end())
      labels.push_back(std::move(text));
  };
  add(label);
  for (auto const& each : array_of(definition, "labels"))
    if (each.is_string()) add(each.get_string());
  return labels;
}

// What another tool's effect was asked with, as far as it is the same in every replay.
Result<std::string> recorded_hash(OpenRun const& run, Effect const& effect) {
  auto inputs = read_inputs(run.folder(), effect);
  if (!inputs) return std::unexpected(inputs.error());
  if (!*inputs) return arguments_hash(nullptr);
  if (effect.kind == "breakpoint" && (*inputs)->is_object())
    (*inputs)->get_object().erase("requestedAt");
  return arguments_hash(&**inputs);
}

json::object start_message(OpenRun const& run, Generation generation) {
  RunRecord const& record = run.record();
  json::object start;
  start.emplace("runId", record.run_id);
  start.emplace("runDir", run.folder().path());
  start.emplace("processId", record.process_id);
  start.emplace("cwd", string_or(record.raw, "cwd", run.folder().path()));
  start.emplace("entry", json::object{{"path", entry_file(run.folder(), record.entrypoint)},
                                      {"export", record.entrypoint.export_name}});
  start.emplace("nonInteractive", record.non_interactive());
  start.emplace("generation", generation == Generation::counted ? "counted" : "shaped");
  start.emplace("seed", sha256_hex(record.run_id + run.history().created_at()));
  return start;
}

}  // namespace

Execution::Execution(HostProcess host, Generation generation, std::string process_id)
    : host_(std::move(host)), generation_(generation), process_id_(std::move(process_id)) {}

Result<Execution> Execution::start(OpenRun const& run, HostSpec const& spec) {
  auto const usual =
      run.record().writer == Writer::older ? Generation::counted : Generation::shaped;
  auto const generation = run.history().generation().value_or(usual);
  auto const inputs = run.folder().read_json(run.folder().at("inputs.json"));
  if (!inputs) return std::unexpected(inputs.error());
  auto host = HostProcess::start(spec);
  if (!host) return std::unexpected(host.error());
  json::object start = start_message(run, generation);
  if (*inputs) start.emplace("inputs", **inputs);
  DROVER_TRY(host->write(json::object{{"start", std::move(start)}}));
  return Execution{*std::move(host), generation, run.record().process_id};
}

Result<json::object> Execution::hear() {
  auto message = host_.read();
  if (!message) return std::unexpected(message.error());
  if (!message->is_object()) return fail(ErrorCode::upstream, "the host said no object");
  return std::move(message->get_object());
}

Result<Pass> Execution::pass(OpenRun& run) {
  if (!replay_) replay_.emplace(process_id_, generation_, run.history().effects().size());
  refresh(run.history());
  for (;;) {
    while (!resting_) {
      auto const turn = hear();
      if (!turn) return std::unexpected(turn.error());
      auto const rests = take_turn(run, *turn);
      if (!rests) return std::unexpected(rests.error());
      resting_ = *rests;
    }
    auto results = deliver(run);
    if (!results) return std::unexpected(results.error());
    json::array fresh;
    // Nothing new is asked for while the journal still has something for the process.
    if (results->empty() && !fresh_.empty()) {
      DROVER_TRY(check_caught_up(run.history()));
      fresh = announce_new();
    }
    if (results->empty() && fresh.empty()) {
      auto const due = end_what_is_due(run);
      if (!due) return std::unexpected(due.error());
      if (*due) continue;
      auto end = ended(run);
      if (!end) return std::unexpected(end.error());
      if (*end) return **std::move(end);
      return resting(run);
    }
    resting_ = false;
    DROVER_TRY(
        host_.write(json::object{{"results", *std::move(results)}, {"fresh", std::move(fresh)}}));
  }
}

// Whether the process rests now.
Result<bool> Execution::take_turn(OpenRun& run, json::object const& turn) {
  DROVER_TRY(take_definitions(run, array_of(turn, "defs")));
  for (auto const& ask : array_of(turn, "asks"))
    if (ask.is_object()) DROVER_TRY(take_ask(run, ask.get_object()));
  DROVER_TRY(take_cancels(run, array_of(turn, "cancels")));
  if (auto const* const done = turn.if_contains("done"); done != nullptr && done->is_object())
    done_ = done->get_object();
  auto const* const wanted = turn.if_contains("recall");
  if (wanted == nullptr || !wanted->is_object()) return true;
  auto value = recall(run, wanted->get_object());
  if (!value) return std::unexpected(value.error());
  DROVER_TRY(host_.write(json::object{{"value", *std::move(value)}}));
  return false;
}

Status Execution::take_definitions(OpenRun& run, json::array const& definitions) {
  std::vector<OpenRun::Request> requests;
  for (auto const& each : definitions) {
    auto const& said = each.as_object();
    auto const found = open_.find(number_of(said));
    if (found == open_.end()) continue;
    auto const* const definition = said.if_contains("definition");
    if (definition == nullptr || !definition->is_object()) {
      // It could not be described, which the process knows.
      open_.erase(found);
      continue;
    }
    Ask& ask = found->second;
    ask.definition = *definition;
    OpenRun::Request request;
    request.task = {ask.effect_id, ask.call.task_id,         ask.key,
                    ask.step_id,   definition->get_object(), std::nullopt};
    if (auto const* const inputs = said.if_contains("inputs")) request.task.inputs = *inputs;
    request.labels = labels_of(ask.call.label, definition->get_object());
    request.label = ask.call.label;
    if (request.label.empty() && !request.labels.empty()) request.label = request.labels.front();
    if (request.label.empty())
      request.label = string_or(definition->get_object(), "title", ask.call.task_id);
    request.arguments_hash = ask.call.arguments_hash;
    requests.push_back(std::move(request));
  }
  return run.request(std::move(requests));
}

Status Execution::take_cancels(OpenRun& run, json::array const& cancels) {
  for (auto const& each : cancels) {
    auto const& said = each.as_object();
    auto const n = number_of(said);
    auto const found = open_.find(n);
    if (found == open_.end()) continue;
    std::string const effect_id = found->second.effect_id;
    open_.erase(found);
    std::erase(fresh_, n);
    at_once_.erase(n);
    std::erase_if(ready_, [&](auto const& entry) { return entry.second == n; });
    auto const* const effect = run.history().by_id(effect_id);
    if (effect == nullptr || effect->status != EffectStatus::requested) continue;
    auto const cancelled = run.cancel(effect_id, text_of(said, "reason"));
    if (!cancelled) return std::unexpected(cancelled.error());
  }
  return {};
}

Status Execution::take_ask(OpenRun& run, json::object const& said) {
  Ask ask;
  ask.call.kind = kind_of(text_of(said, "kind"));
  ask.call.task_id = text_of(said, "taskId");
  ask.call.label = text_of(said, "label");
  ask.call.key = text_of(said, "key");
  ask.call.shape = text_of(said, "shape");
  ask.call.arguments_hash = text_of(said, "hash");
  if (ask.call.kind == CallKind::signal) ask.signal = text_of(said, "signal");
  if (ask.call.kind != CallKind::sleep) return look_up(run, number_of(said), std::move(ask));
  ask.until_ms = integer_or(said, "until", 0);
  return take_sleep(run, number_of(said), std::move(ask));
}

// A time that has passed is no effect; that it had passed is recorded, for a later replay could be
// on a clock that is behind.
Status Execution::take_sleep(OpenRun& run, std::uint64_t n, Ask ask) {
  std::string const until = std::to_string(*ask.until_ms);
  std::string const key = fmt::format("elapsed:{}.{}", until, sleeps_[until]++);
  History const& history = run.history();
  auto const answer = replay_->peek(history, ask.call);
  bool const over = *ask.until_ms <= to_unix_ms(run.now());
  if (generation_ == Generation::counted) {
    if (!over || replay_->counts_when_elapsed(history, kSleepTask))
      return look_up(run, n, std::move(ask));
    if (answer.effect != nullptr && answer.effect->status == EffectStatus::requested) {
      TaskResult result;
      result.value.emplace(nullptr);
      auto const posted = run.post(answer.effect->id, std::move(result));
      if (!posted) return std::unexpected(posted.error());
    }
  } else if (answer.effect != nullptr) {
    return look_up(run, n, std::move(ask));
  }
  auto const* known = history.recorded(key);
  if (known == nullptr && !over) return look_up(run, n, std::move(ask));
  if (known == nullptr) {
    json::object data{{"key", key}, {"kind", "sleep"}, {"value", true}};
    DROVER_TRY(run.append(NewEvent{event_type::kRecorded, std::move(data)}));
    known = run.history().recorded(key);
  }
  elapsed_.push_back({n, known->recorded_at});
  open_.emplace(n, std::move(ask));
  return {};
}

Status Execution::look_up(OpenRun& run, std::uint64_t n, Ask ask) {
  auto const answer = replay_->call(run.history(), ask.call);
  if (!answer) return locate(answer.error(), n);
  ask.step_id = answer->step_id;
  ask.key = answer->key;
  if (answer->effect == nullptr) {
    ask.effect_id = next_ulid(run.now(), run.random(), last_effect_id_);
    last_effect_id_ = ask.effect_id;
    fresh_.push_back(n);
    open_.emplace(n, std::move(ask));
    return {};
  }
  Effect const& effect = *answer->effect;
  if (effect.arguments_hash.empty()) {
    auto const recorded = recorded_hash(run, effect);
    if (!recorded) return std::unexpected(recorded.error());
    if (*recorded != ask.call.arguments_hash) return locate(contradiction(ask.call, effect), n);
  }
  ask.effect_id = effect.id;
  auto const [placed, _] = open_.emplace(n, std::move(ask));
  return note_ended(run.history(), n, placed->second);
}

Status Execution::note_ended(History const& history, std::uint64_t n, Ask const& ask) {
  auto const* const effect = history.by_id(ask.effect_id);
  if (effect == nullptr || effect->status == EffectStatus::requested) return {};
  if (effect->arguments_hash.empty())
    at_once_.insert(n);
  else
    ready_.emplace(effect->resolved_seq, n);
  return {};
}

// What ended since the last pass, in the order of the journal.
void Execution::refresh(History const& history) {
  for (auto const& [n, ask] : open_) {
    auto const* const effect = history.by_id(ask.effect_id);
    if (effect == nullptr || effect->status == EffectStatus::requested || at_once_.contains(n))
      continue;
    ready_.emplace(effect->resolved_seq, n);
  }
}

Result<json::object> Execution::delivery(OpenRun& run, std::uint64_t n) {
  Effect const* const effect = run.history().by_id(open_.at(n).effect_id);
  auto given = read_given(run.folder(), *effect);
  if (!given) return std::unexpected(given.error());
  json::object result{{"n", n}, {"ok", given->outcome == Outcome::ok}};
  if (auto const at = unix_ms(effect->resolved_at)) result.emplace("at", *at);
  if (given->outcome == Outcome::ok)
    result.emplace("value", std::move(given->value));
  else
    result.emplace("error", std::move(given->error));
  open_.erase(n);
  return result;
}

Result<json::array> Execution::deliver(OpenRun& run) {
  json::array results;
  for (auto const& [n, at] : elapsed_) {
    json::object result{{"n", n}, {"ok", true}};
    if (auto const ms = unix_ms(at)) result.emplace("at", *ms);
    results.push_back(std::move(result));
    open_.erase(n);
  }
  elapsed_.clear();
  for (auto const n : at_once_) {
    auto result = delivery(run, n);
    if (!result) return std::unexpected(result.error());
    results.push_back(*std::move(result));
  }
  at_once_.clear();
  if (!results.empty() || ready_.empty()) return results;
  auto const n = ready_.begin()->second;
  ready_.erase(ready_.begin());
  auto result = delivery(run, n);
  if (!result) return std::unexpected(result.error());
  results.push_back(*std::move(result));
  return results;
}

// The process is where the journal ends, and asks for more; or it has left the way that the journal
// tells of.
Status Execution::check_caught_up(History const& history) {
  auto used = replay_->check_all_used(history);
  if (used) return {};
  Error error = std::move(used).error();
  Call const& call = open_.at(fresh_.front()).call;
  error.message +=
      fmt::format("; it asks for {} '{}' instead", printable(call.task_id), printable(call.label));
  return locate(std::move(error), fresh_.front());
}

json::array Execution::announce_new() {
  json::array announced;
  for (auto const n : fresh_) {
    Ask const& ask = open_.at(n);
    announced.push_back(json::object{
        {"n", n}, {"effectId", ask.effect_id}, {"key", ask.key}, {"taskId", ask.call.task_id}});
  }
  fresh_.clear();
  return announced;
}

// Timers that fire, and signals that came.
Result<bool> Execution::end_what_is_due(OpenRun& run) {
  bool any = false;
  auto const now_ms = to_unix_ms(run.now());
  for (auto const& [n, ask] : open_) {
    auto const* const effect = run.history().by_id(ask.effect_id);
    if (effect == nullptr || effect->status != EffectStatus::requested) continue;
    TaskResult result;
    if (ask.until_ms && *ask.until_ms <= now_ms) {
      result.value.emplace(nullptr);
    } else if (auto signal = untaken_signal(run.history(), ask.signal)) {
      result.value = std::move(signal->payload);
      result.signal_seq = signal->seq;
    } else {
      continue;
    }
    std::string const effect_id = effect->id;
    auto const posted = run.post(effect_id, std::move(result));
    if (!posted) return std::unexpected(posted.error());
    ready_.emplace(run.history().by_id(effect_id)->resolved_seq, n);
    any = true;
  }
  return any;
}

Result<std::optional<Pass>> Execution::ended(OpenRun& run) const {
  if (done_.empty()) return std::nullopt;
  if (auto const* const error = done_.if_contains("unloadable"))
    return fail(ErrorCode::invalid_argument, "{}",
                error->is_object() ? string_or(error->get_object(), "message", "?") : "?");
  DROVER_TRY(replay_->check_all_used(run.history()));
  Pass pass;
  if (auto const* const error = done_.if_contains("error")) {
    pass.rest = Rest::failed;
    pass.error = *error;
    return pass;
  }
  if (auto const* const halt = done_.if_contains("halt"); halt != nullptr && halt->is_object()) {
    pass.rest = Rest::halted;
    pass.reason = text_of(halt->get_object(), "reason");
    if (auto const* const payload = halt->get_object().if_contains("payload"))
      pass.payload = *payload;
    return pass;
  }
  if (auto const* const again = done_.if_contains("again");
      again != nullptr && again->is_object()) {
    pass.rest = Rest::continued;
    if (auto const* const inputs = again->get_object().if_contains("inputs"))
      pass.payload = *inputs;
    return pass;
  }
  // It has come to its end, and still waits for what it did not await.
  if (!open_.empty()) return std::nullopt;
  pass.rest = Rest::completed;
  if (auto const* const output = done_.if_contains("output")) pass.output = *output;
  return pass;
}

Result<Pass> Execution::resting(OpenRun& run) const {
  DROVER_TRY(replay_->check_all_used(run.history()));
  if (open_.empty())
    return fail_next(ErrorCode::conflict,
                     "the process waits for something that is none of its effects",
                     "a process asks through ctx for all that takes time");
  Pass pass;
  for (auto const& [n, ask] : open_) {
    PendingAction action{ask.effect_id, ask.definition};
    if (action.definition.is_null()) {
      auto const task = read_task(run.folder(), ask.effect_id);
      if (!task) return std::unexpected(task.error());
      if (*task) action.definition = **task;
    }
    pass.actions.push_back(std::move(action));
  }
  for (auto const* const effect : replay_->unused(run.history()))
    pass.unused.push_back(effect->id);
  return pass;
}

// Asks the host where in the process the call was made, while it waits for a reply.
Status Execution::locate(Error error, std::uint64_t n) {
  if (auto const asked = host_.write(json::object{{"where", n}}); asked) {
    auto const reply = hear();
    auto const where = reply ? text_of(*reply, "where") : "";
    if (!where.empty()) error.message += fmt::format(" (asked at {})", printable(where, 300));
  }
  return std::unexpected(std::move(error));
}

// What the journal does not hold is worked out now, and held from now on.
Result<json::value> Execution::recall(OpenRun& run, json::object const& wanted) {
  auto const kind = text_of(wanted, "kind");
  auto const key = text_of(wanted, "key");
  if (kind == "clock") return json::value(to_unix_ms(run.now()));
  if (auto const* const known = run.history().recorded(key)) return known->value;
  json::value value;
  if (kind == "known") return value;
  if (kind == "now") {
    value = to_unix_ms(run.now());
  } else if (kind == "random") {
    constexpr std::uint64_t kSteps = std::uint64_t{1} << 53U;
    value = static_cast<double>(run.random().below(kSteps)) / static_cast<double>(kSteps);
  } else if (kind == "uuid") {
    value = new_uuid(run.random());
  } else if (kind == "patched") {
    // Code that is where it was before goes on as it was then.
    if (replay_->is_behind()) return json::value(false);
    value = true;
  } else if (auto const* const given = wanted.if_contains("value")) {
    value = *given;
  }
  json::object data{{"key", key}, {"kind", kind}, {"value", value}};
  DROVER_TRY(run.append(NewEvent{event_type::kRecorded, std::move(data)}));
  return value;
}

Result<json::value> Execution::query(std::string_view name, json::value const& arguments) {
  json::object question{{"name", name}, {"args", arguments}};
  DROVER_TRY(host_.write(json::object{{"query", std::move(question)}}));
  auto reply = hear();
  if (!reply) return std::unexpected(reply.error());
  if (auto const* const answer = reply->if_contains("answer")) return *answer;
  auto const* const failed = reply->if_contains("failed");
  return fail(ErrorCode::invalid_argument, "{}",
              failed != nullptr && failed->is_object()
                  ? string_or(failed->get_object(), "message", "the query failed")
                  : "the query failed");
}

}  // namespace drover::workflow
