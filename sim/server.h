#pragma once
// One life of the server: the real store, streams, queue, run journal and schedule rounds on a
// simulated disk and clock. Its pool, reader threads and writer thread are this thread.
//
// Life: open(), any number of requests while its loop is polled, destroyed as by SIGKILL: nothing
// is put in order, and what was on its way is gone.
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/random.h"
#include "broker/embedded_queue.h"
#include "broker/embedded_streams.h"
#include "gateway/budget.h"
#include "schedule/round.h"
#include "sim/audit.h"
#include "sim/disk.h"
#include "sim/faults.h"
#include "sim/messenger.h"
#include "store/reader.h"
#include "store/writer.h"
#include "worker/records.h"
#include "worker/run_journal.h"

namespace drover::sim {

inline constexpr Millis kLease{6'000};
// Of a model call, in micro-dollars; and of a run, where it has a limit.
inline constexpr std::int64_t kCallMost = 1'000;
inline constexpr std::int64_t kBudget = 2'500;

// What a client asks for; the same key is the same request.
struct Wish {
  std::string key;
  std::string tenant;
  std::vector<std::string> groups;
  std::optional<std::string> slot_key;
  std::int64_t slots = 1;
  std::int64_t priority = 0;
  Millis delay{0};
  std::optional<Millis> queue_time;
  std::optional<SessionId> session;  // that it is a further message to
  std::int64_t wait_s = 1;           // for an answer, where it asks for one
};

struct Accepted {
  RunId run;
  SessionId session;
};

struct GivenRun {
  broker::Claim claim;
  worker::RunRecord run;
  worker::SessionRecord session;
};

struct ServerParts {
  Trace& trace;
  Audit& audit;
  Repositories& repositories;
  Disk& disk;
  Redis* redis = nullptr;  // null: without one
  Clock const& clock;
  std::uint64_t seed = 0;
  Defect defect = Defect::none;
  // Who works on a run is to end it.
  std::function<void(RunId)> on_cancel;
};

class Server {
 public:
  // The store of a server that was never started, and its schedules.
  enum class With : std::uint8_t { nothing, schedules };
  [[nodiscard]] static Disk::Image first_image(With schedules);

  explicit Server(ServerParts parts) : parts_(std::move(parts)), random_(parts_.seed) {}
  ~Server();
  Server(Server const&) = delete;
  Server& operator=(Server const&) = delete;

  // Takes up what the disk has. Any fault may make it fail, and it is tried again in a new life.
  [[nodiscard]] Status open();

  // Runs what is ready. The writer stands still but in write(), which makes one step of its.
  void poll();
  [[nodiscard]] bool has_to_write() const { return writer_ && writer_->stats().queued > 0; }
  store::WriterStep write() { return writer_->advance(); }
  void checkpoint();
  // Its disk took a sync's error: only a restart helps.
  [[nodiscard]] bool refuses() const { return writer_ && writer_->stats().refusing; }
  void inspect();
  void inspect_copies();
  [[nodiscard]] broker::QueueStats stats() const { return queue_->stats(); }
  [[nodiscard]] std::int64_t unfinished();
  // All that there is to copy to Redis is copied.
  [[nodiscard]] bool copied() const { return !messenger_ || messenger_->copied(); }
  // While no server is up: a run loses its place in the queue, or gets one back after its end.
  static void edit_by_hand(Dice& dice, Trace& trace, Audit& audit);

  // ---- requests
  Task<Result<Accepted>> dispatch(Wish wish);
  // With `offered`, that run now or not at all.
  Task<Result<std::optional<GivenRun>>> claim(WorkerId worker, Millis wait, Nanos asked_at,
                                              std::optional<broker::OfferedRun> offered);
  Task<Result<bool>> renew(broker::Claim claim, Nanos asked_at);
  // `number` counts the attempt's batches; a repeated one is stored once. The first has `from`.
  // With it the unit has changed something in `workspace`.
  Task<Result<bool>> append(worker::RunRecord run, std::optional<contract::RunState> from,
                            std::int64_t number, std::vector<std::string> says,
                            std::string workspace);
  // One call of the run's model, which answers after `time`. It is billed from the moment that it
  // is on its way; its answer may break off before it says for how much. budget_exhausted when the
  // run has spent what it may.
  Task<Result<bool>> call_model(GivenRun given, std::int64_t bill, bool says_cost, Nanos time);
  Task<Result<bool>> record_committing(worker::RunRecord run, contract::RunState from);
  Task<Result<bool>> end_run(GivenRun given, contract::RunState from);
  Task<Result<bool>> put_back(GivenRun given, contract::RunState from);
  Task<Result<bool>> cancel(RunId run);
  // The events behind `after`; returns the last that was shown, and whether the run has ended.
  Task<Result<std::pair<std::int64_t, bool>>> read(RunId run, std::int64_t after);

  // ---- schedules
  void wake_scheduler() { scheduler_wakes_ = true; }

  template <class T, class Done>
  void start(Task<Result<T>> task, Done done) {
    boost::asio::co_spawn(io_, std::move(task),
                          [done = std::move(done)](std::exception_ptr thrown, Result<T> value) {
                            if (thrown) std::rethrow_exception(thrown);
                            done(std::move(value));
                          });
  }

 private:
  template <class Work>
  Task<std::invoke_result_t<Work&, store::Transaction&>> write_of_end(Work work);
  Task<Result<worker::NewRun>> new_run(Wish wish);
  Task<Result<Accepted>> known_run(std::string key, Error otherwise);
  Status record(store::Transaction& transaction, worker::NewRun& fresh);
  void on_wrote(store::Transaction& transaction, worker::RunRecord const& run);
  void on_left(store::Transaction& transaction, broker::Claim const& claim);
  Task<Result<bool>> schedule_round();
  Task<Result<bool>> start_firing(schedule::Start start);
  Task<Result<bool>> watch(std::vector<schedule::FiringRun> firings);
  [[nodiscard]] Result<gateway::Budget*> budget_of(worker::RunRecord const& run);
  [[nodiscard]] Status take_account(worker::RunRecord& run);
  Task<Result<bool>> record_spend(worker::RunRecord run);
  Task<Result<bool>> sweep();
  [[nodiscard]] Status take_up();
  template <class T>
  Result<T> finish(Task<Result<T>> task);
  Task<Result<bool>> recover_schedules();

  ServerParts parts_;
  SeededRandom random_;
  // What other things stand on goes last.
  boost::asio::io_context io_{1};
  os::BlockingPool pool_{io_.get_executor()};
  std::unique_ptr<store::Writer> writer_;
  std::unique_ptr<store::Readers> readers_;
  std::unique_ptr<broker::EmbeddedStreams> streams_;
  std::unique_ptr<broker::EmbeddedQueue> queue_;
  std::unique_ptr<Messenger> messenger_;
  std::map<std::pair<RunId, std::int64_t>, std::int64_t>
      stored_batches_;  // of an attempt, the last
  std::map<std::pair<RunId, std::int64_t>, gateway::Budget>
      budgets_;  // of an attempt that this life gave out
  schedule::RoundClock rounds_;
  std::optional<WallTime> next_round_;
  std::set<RunId> watched_;  // of firings
  bool scheduler_wakes_ = true;
  bool in_round_ = false;
  bool sweeping_ = false;
  Nanos next_sweep_{0};
};

}  // namespace drover::sim
