#include "driver/breakpoint_carrier.h"

#include <utility>

#include "base/log.h"
#include "driver/command_results.h"

namespace drover::driver {

namespace {

workflow::TaskResult answered(Verdict const& answer, worker::ApprovalId const& id) {
  workflow::TaskResult result;
  result.value = answer_value(answer);
  result.metadata = json::object{{"approval", json::string{id.str()}}};
  return result;
}

}  // namespace

BreakpointCarrier::BreakpointCarrier(boost::asio::any_io_executor const& executor,
                                     store::Writer& writer, Clock const& clock)
    : writer_(writer),
      clock_(clock),
      changed_(executor),
      tasks_(executor, "workflow-breakpoints") {}

void BreakpointCarrier::close() {
  closing_ = true;
  changed_.notify();
}

Task<void> BreakpointCarrier::join() {
  co_await tasks_.join();
}

// Until it is on disk, or the server stops.
Task<Result<Opened>> BreakpointCarrier::open(EffectJob job, Question question) {
  constexpr Millis kAgain{5'000};
  for (;;) {
    auto opened =
        co_await writer_.run([job, question, now = clock_.now()](store::Transaction& transaction) {
          return open_breakpoint(transaction.db(), job, question, now);
        });
    if (opened || closing_) co_return opened;
    log::error("breakpoint-not-asked", {{"reason", opened.error().text()}});
    auto const end = os::AsyncEvent::TimePoint::clock::now() + kAgain;
    while (!closing_ && os::AsyncEvent::TimePoint::clock::now() < end)
      co_await changed_.wait(changed_.version(), end);
    if (closing_) co_return opened;
  }
}

Task<std::optional<workflow::TaskResult>> BreakpointCarrier::carry_out(EffectJob job) {
  auto const id = approval_of(job.workflow.id, job.effect.id);
  auto question = question_of(job);
  if (!question) co_return thrown_result(kDefinitionName, question.error().text());
  // Before it can be answered.
  waiting_.insert(id);
  auto const opened = co_await open(std::move(job), *std::move(question));
  if (opened && opened->answer) answered_.emplace(id, *opened->answer);
  for (;;) {
    auto const seen = changed_.version();
    if (!opened || closing_ || !waiting_.contains(id)) break;
    auto const found = answered_.find(id);
    if (found != answered_.end()) {
      Verdict const answer = found->second;
      answered_.erase(found);
      waiting_.erase(id);
      co_return answered(answer, id);
    }
    co_await changed_.wait(seen);
  }
  waiting_.erase(id);
  answered_.erase(id);
  co_return std::nullopt;
}

void BreakpointCarrier::stop(std::string const& workflow, std::string const& effect_id) {
  if (closing_) return;
  auto const id = approval_of(workflow, effect_id);
  waiting_.erase(id);
  changed_.notify();
  tasks_.spawn(withdraw(id), "withdraw");
}

Task<void> BreakpointCarrier::withdraw(worker::ApprovalId id) {
  auto const withdrawn =
      co_await writer_.run([id, now = clock_.now()](store::Transaction& transaction) {
        return withdraw_breakpoint(transaction.db(), id, now);
      });
  // It can still be decided, and then does nothing.
  if (!withdrawn)
    log::warn("breakpoint-not-withdrawn", {{"approval", id}, {"reason", withdrawn.error().text()}});
}

Task<Result<worker::Approval>> BreakpointCarrier::answer(worker::ApprovalId id, Verdict answer) {
  auto approval =
      co_await writer_.run([id, answer, now = clock_.now()](store::Transaction& transaction) {
        return answer_breakpoint(transaction.db(), id, answer, now);
      });
  if (!approval) co_return approval;
  // One that is not waited for yet finds its answer in the store.
  if (waiting_.contains(id)) answered_.emplace(id, std::move(answer));
  changed_.notify();
  co_return approval;
}

}  // namespace drover::driver
