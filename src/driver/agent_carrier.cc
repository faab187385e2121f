#include "driver/agent_carrier.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "driver/command_results.h"
#include "worker/run_store.h"

namespace drover::driver {

namespace {

constexpr std::string_view kRunFailedName = "AgentRunError";
constexpr std::string_view kOutputName = "AgentOutputError";
constexpr std::size_t kReplyShown = 4096;

// What may go better another time, without anybody changing the effect.
bool is_passing(ErrorCode code) {
  switch (code) {
    case ErrorCode::rate_limited:
    case ErrorCode::unavailable:
    case ErrorCode::timeout:
    case ErrorCode::no_space:
    case ErrorCode::internal:
      return true;
    default:
      return false;
  }
}

json::object about(worker::RunRecord const& run) {
  json::object const shown = worker::to_json(run);
  return {{"runId", shown.at("id")},    {"sessionId", shown.at("session")},
          {"agent", shown.at("agent")}, {"model", shown.at("model")},
          {"usage", shown.at("usage")}, {"commits", shown.at("commits")}};
}

workflow::TaskResult failed_run(worker::RunRecord const& run, std::string const& detail) {
  auto result = thrown_result(kRunFailedName, fmt::format("the run {} {}: {}", run.id,
                                                          contract::to_string(run.state), detail));
  result.error.as_object()["data"] = about(run);
  result.metadata = about(run);
  return result;
}

workflow::TaskResult misfit(worker::RunRecord const& run, std::string const& why) {
  auto result =
      thrown_result(kOutputName, fmt::format("the reply of run {} does not fit: {}", run.id, why));
  json::object data = about(run);
  data["reply"] = utf8_prefix(run.reply, kReplyShown);
  result.error.as_object()["data"] = std::move(data);
  result.metadata = about(run);
  return result;
}

workflow::TaskResult succeeded(worker::RunRecord const& run, std::optional<json::value> value) {
  workflow::TaskResult result;
  result.metadata = about(run);
  if (value) {
    result.value = *std::move(value);
    return result;
  }
  json::object whole = about(run);
  whole["reply"] = json::string{run.reply};
  result.value = std::move(whole);
  return result;
}

Result<json::value> fitting(Schema const& schema, std::string const& reply) {
  auto value = value_in_reply(reply);
  if (!value) return fail(ErrorCode::invalid_argument, "it is no JSON: {}", value.error().message);
  DROVER_TRY(schema.check(*value));
  return value;
}

}  // namespace

AgentCarrier::AgentCarrier(worker::Services const& services, worker::Dispatcher& dispatcher,
                           schedule::Runs& runs)
    : services_(services),
      dispatcher_(dispatcher),
      runs_(runs),
      changed_(services.io.get_executor()),
      tasks_(services.io.get_executor(), "workflow-agents") {}

void AgentCarrier::close() {
  closing_ = true;
  runs_.stop();
  changed_.notify();
}

Task<void> AgentCarrier::join() {
  co_await tasks_.join();
}

void AgentCarrier::stop(std::string const& workflow, std::string const& effect_id) {
  if (closing_) return;
  auto key = dispatch_key(workflow, effect_id, 0);
  if (at_work_.contains(key)) stopped_.insert(std::move(key));
  changed_.notify();
  tasks_.spawn(cancel(workflow, effect_id), "cancel");
}

// Of the effect's own turn and of every correction that has come to be.
Task<void> AgentCarrier::cancel(std::string workflow, std::string effect_id) {
  for (std::int64_t correction = 0;; ++correction) {
    std::string const key = dispatch_key(workflow, effect_id, correction);
    auto const run = co_await services_.readers.run(
        [key](store::Database& database) { return worker::find_run_by_key(database, key); });
    if (!run || !*run) co_return;
    if (contract::is_terminal((*run)->state)) continue;
    auto const cancelled = co_await runs_.cancel((*run)->id);
    if (!cancelled && cancelled.error().code != ErrorCode::conflict)
      log::warn("workflow-run-not-cancelled",
                {{"run", (*run)->id}, {"reason", cancelled.error().text()}});
  }
}

Task<void> AgentCarrier::pause(Millis time) {
  auto const end = os::AsyncEvent::TimePoint::clock::now() + time;
  while (!closing_ && os::AsyncEvent::TimePoint::clock::now() < end)
    co_await changed_.wait(changed_.version(), end);
}

Task<std::optional<workflow::TaskResult>> AgentCarrier::carry_out(EffectJob job) {
  auto work = parse_agent_work(
      job, [this](std::string_view name) { return services_.agents.find(name).has_value(); });
  if (!work) co_return thrown_result(kDefinitionName, work.error().text());
  auto const key = dispatch_key(job.workflow.id, job.effect.id, 0);
  at_work_.insert(key);
  auto result = co_await converse(*std::move(work), std::move(job));
  at_work_.erase(key);
  stopped_.erase(key);
  co_return result;
}

Task<std::optional<workflow::TaskResult>> AgentCarrier::converse(AgentWork work, EffectJob job) {
  auto const key = dispatch_key(job.workflow.id, job.effect.id, 0);
  auto run = co_await dispatch(std::move(work.invocation));
  for (std::int64_t correction = 0;; ++correction) {
    if (closing_) co_return std::nullopt;
    if (!run) co_return thrown_result(kStartName, run.error().text());
    if (stopped_.contains(key)) tasks_.spawn(cancel(job.workflow.id, job.effect.id), "cancel");
    auto const end = co_await runs_.wait_end(*run);
    if (closing_ || (!end && end.error().code == ErrorCode::cancelled)) co_return std::nullopt;
    if (!end) co_return thrown_result(kRunFailedName, end.error().text());
    auto const record = co_await services_.readers.run(
        [id = *run](store::Database& database) { return worker::find_run(database, id); });
    if (!record) co_return thrown_result(kRunFailedName, record.error().text());
    if (end->state != contract::RunState::succeeded) co_return failed_run(*record, end->detail);
    if (!work.output) co_return succeeded(*record, std::nullopt);
    auto value = fitting(*work.output, record->reply);
    if (value) co_return succeeded(*record, *std::move(value));
    if (correction == work.corrections_max) co_return misfit(*record, value.error().message);
    run = co_await correct(record->session, value.error().message,
                           dispatch_key(job.workflow.id, job.effect.id, correction + 1));
  }
}

Task<Result<RunId>> AgentCarrier::dispatch(contract::Invocation invocation) {
  constexpr Millis kFirst{1'000};
  constexpr Millis kMost{60'000};
  for (Millis wait = kFirst;; wait = std::min(kMost, wait * 2)) {
    auto const run = co_await runs_.dispatch(invocation);
    if (run || closing_ || !is_passing(run.error().code)) co_return run;
    log::warn("workflow-run-not-dispatched", {{"reason", run.error().text()}});
    co_await pause(wait);
    if (closing_) co_return run;
  }
}

Task<Result<RunId>> AgentCarrier::correct(SessionId session, std::string why, std::string key) {
  contract::Message message;
  message.prompt = correction_text(why);
  message.idempotency_key = std::move(key);
  constexpr Millis kAgain{5'000};
  for (;;) {
    auto const sent = co_await dispatcher_.message(session, message);
    if (sent) co_return sent->run.id;
    if (closing_ || !is_passing(sent.error().code)) co_return std::unexpected(sent.error());
    co_await pause(kAgain);
    if (closing_) co_return std::unexpected(sent.error());
  }
}

}  // namespace drover::driver
