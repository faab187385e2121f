#include "schedule/runs.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "worker/dispatcher.h"
#include "worker/run_store.h"
#include "worker/services.h"
#include "worker/workforce.h"

namespace drover::schedule {

namespace {

constexpr std::size_t kEventsAtOnce = 256;
constexpr Millis kReadWait{10 * 60'000};

}  // namespace

WorkerRuns::WorkerRuns(worker::Services const& services, worker::Dispatcher& dispatcher,
                       worker::Workforce& workforce)
    : services_(services), dispatcher_(dispatcher), workforce_(workforce) {}

Task<Result<RunId>> WorkerRuns::dispatch(contract::Invocation invocation) {
  auto const dispatched = co_await dispatcher_.dispatch(std::move(invocation));
  if (!dispatched) co_return std::unexpected(dispatched.error());
  co_return dispatched->run.id;
}

Task<Result<std::optional<RunEnd>>> WorkerRuns::end_of(RunId run) {
  auto const found = co_await services_.readers.run(
      [run](store::Database& database) { return worker::find_run(database, run); });
  if (!found) co_return std::unexpected(found.error());
  if (!contract::is_terminal(found->state)) co_return std::nullopt;
  RunEnd end{.state = found->state, .detail = {}};
  if (found->state != contract::RunState::succeeded && found->reason)
    end.detail = fmt::format("{}{}{}", contract::to_string(*found->reason),
                             found->detail.empty() ? "" : ": ", found->detail);
  co_return end;
}

// The stream's closing event tells of the end; the run's row says which.
Task<Result<RunEnd>> WorkerRuns::wait_end(RunId run) {
  if (stopping_) co_return fail(ErrorCode::cancelled, "the scheduler stops");
  auto reader = services_.streams.open_reader(broker::StreamName::of_run(run), 0);
  if (!reader) co_return std::unexpected(reader.error());
  for (bool closed = false;;) {
    auto ended = co_await end_of(run);
    if (!ended) co_return std::unexpected(ended.error());
    if (*ended) co_return **std::move(ended);
    if (closed)
      co_return fail(ErrorCode::data_corrupt, "the run {} has a last event and no end", run);
    while (!closed) {
      if (stopping_) co_return fail(ErrorCode::cancelled, "the scheduler stops");
      reading_.insert(reader->get());
      auto const batch = co_await (*reader)->next(kEventsAtOnce, kReadWait);
      reading_.erase(reader->get());
      if (!batch) co_return std::unexpected(batch.error());
      closed = batch->ended;
      // Silence for so long: look whether the stream was trimmed away under the reader.
      if (batch->events.empty()) break;
    }
  }
}

Task<Status> WorkerRuns::cancel(RunId run) {
  auto const cancelled = co_await workforce_.cancel(std::move(run));
  if (!cancelled) co_return std::unexpected(cancelled.error());
  co_return Status{};
}

void WorkerRuns::stop() {
  stopping_ = true;
  for (auto* const reader : reading_)
    reader->stop();
}

}  // namespace drover::schedule
