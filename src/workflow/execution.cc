#include "workflow/execution.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>

#include "base/text.h"
#include "os/files.h"
#include "workflow/create_run.h"
#include "workflow/messages.h"
#include "workflow/process_hosts.h"
#include "workflow/rewind.h"
#include "workflow/signals.h"

namespace drover::workflow {

namespace {

// Things that a process asks for without a rest in between, from one look at the clock to the next.
constexpr int kTurnsUnwatched = 256;

std::optional<std::int64_t> unix_ms(std::string const& time) {
  auto const parsed = parse_rfc3339(time);
  if (!parsed) return std::nullopt;
  return to_unix_ms(*parsed);
}

// As Node knows a module. A sandbox has it there, and no link that leads to it.
std::string real_entry(OpenRun const& run) {
  auto const named = entry_file(run.folder(), run.record().entrypoint);
  return os::real_path(named).value_or(named);
}

json::object start_message(OpenRun const& run, Generation generation) {
  RunRecord const& record = run.record();
  json::object start;
  start.emplace("runId", record.run_id);
  start.emplace("runDir", run.folder().path());
  start.emplace("processId", record.process_id);
  start.emplace("cwd", string_or(record.raw, "cwd", run.folder().path()));
  start.emplace("entry",
                json::object{{"path", real_entry(run)}, {"export", record.entrypoint.export_name}});
  start.emplace("nonInteractive", record.non_interactive());
  start.emplace("generation", generation == Generation::counted ? "counted" : "shaped");
  start.emplace("seed", seed_of(record, run.history()));
  return start;
}

}  // namespace

Execution::Execution(std::unique_ptr<Host> host, Millis step, Generation generation,
                     std::string process_id)
    : host_(std::move(host)),
      step_(step),
      generation_(generation),
      process_id_(std::move(process_id)) {}

Result<Execution> Execution::start(OpenRun const& run, HostSpec const& spec) {
  auto const usual =
      run.record().writer == Writer::older ? Generation::counted : Generation::shaped;
  auto const generation = run.history().generation().value_or(usual);
  auto const inputs = run.folder().read_json(run.folder().at("inputs.json"));
  if (!inputs) return std::unexpected(inputs.error());
  auto host = start_host(run, spec);
  if (!host) return std::unexpected(host.error());
  json::object start = start_message(run, generation);
  if (*inputs) start.emplace("inputs", **inputs);
  DROVER_TRY((*host)->write(json::object{{"start", std::move(start)}}));
  return Execution{*std::move(host), spec.step, generation, run.record().process_id};
}

Result<json::object> Execution::hear() {
  auto message = host_->read();
  if (!message) return std::unexpected(message.error());
  if (!message->is_object()) return fail(ErrorCode::upstream, "the host said no object");
  return std::move(message->get_object());
}

Result<Pass> Execution::pass(OpenRun& run) {
  if (!replay_) replay_.emplace(process_id_, generation_, run.history().effects().size());
  refresh(run.history());
  for (;;) {
    auto const begun = std::chrono::steady_clock::now();
    for (int turns = 1; !resting_; ++turns) {
      if (turns % kTurnsUnwatched == 0 && std::chrono::steady_clock::now() - begun > step_)
        return fail(ErrorCode::timeout,
                    "the process asks for one thing after the other and does not come to rest "
                    "within {} s",
                    step_.count() / 1000);
      auto const turn = hear();
      if (!turn) return std::unexpected(turn.error());
      auto const rests = try_turn(run, *turn);
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
        host_->write(json::object{{"results", *std::move(results)}, {"fresh", std::move(fresh)}}));
  }
}

// The code of a process can say anything to the engine; a turn of another shape is an exception of
// the JSON library.
Result<bool> Execution::try_turn(OpenRun& run, json::object const& turn) {
  try {
    return take_turn(run, turn);
  } catch (std::exception const& error) {
    return fail(ErrorCode::upstream, "the program that runs the process said what no host says: {}",
                error.what());
  }
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

Result<json::value> Execution::query(std::string_view name, json::value const& arguments) {
  json::object question{{"name", name}, {"args", arguments}};
  DROVER_TRY(host_->write(json::object{{"query", std::move(question)}}));
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
