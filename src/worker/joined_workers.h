#pragma once
// The server's side of workers in other processes: who they are, which claims they hold, and what
// is asked of them. Each step of theirs is taken only under the claim it names, and goes to the
// store the way those of the server's own worker go.
//
// What is kept here of a claim (its turn, its budget, how far its steps have come) is as lasting as
// the claim: a server that starts anew has none of them, and their runs are claimed anew.
// On the event loop. Its coroutines must have ended before it is destroyed.
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "worker/control.h"
#include "worker/pool_book.h"
#include "worker/services.h"
#include "worker/wire.h"

namespace drover::worker {

struct WorkerView {
  WorkerCard card;
  Millis silent{0};  // since it was last heard of
  std::vector<RunId> runs;
};

// One claim by its name; a fenced one has a lower epoch than the run's.
struct ClaimName {
  RunId run;
  Epoch epoch{0};
};

inline constexpr std::size_t kJoinedWorkersMax = 1000;
inline constexpr Millis kLeaseMin{500};
inline constexpr Millis kLeaseMax{60 * 60'000};

class JoinedWorkers {
 public:
  JoinedWorkers(Services const& services, Control& control, PoolBook const& pools);
  ~JoinedWorkers();
  JoinedWorkers(JoinedWorkers const&) = delete;
  JoinedWorkers& operator=(JoinedWorkers const&) = delete;

  // Again with the same id changes the card. The card as it holds: what it leaves open is as its
  // pools say. unavailable when there are too many, conflict where its pools disagree.
  [[nodiscard]] Result<WorkerCard> join(WorkerCard card);
  // What it still holds goes back to the queue.
  Task<Status> leave(WorkerId worker);
  [[nodiscard]] std::vector<WorkerView> list() const;
  // What those take that were heard of lately.
  [[nodiscard]] std::vector<broker::ClaimFilter> filters() const;

  // not_found for a worker that did not join, here and below: it joins again.
  Task<Result<std::vector<Assignment>>> claim(ClaimWish wish);
  // An answer that did not reach its worker: nobody works on these.
  Task<void> give_back(std::vector<ClaimName> claims);
  // Renews the claims, and waits up to `wait` for orders newer than `seen`.
  Task<Result<Orders>> beat(WorkerId worker, std::vector<ClaimName> claims, std::uint64_t seen,
                            Millis wait);
  // What worked on these is dead: they go the way of claims whose lease has run out.
  Task<Status> lose(WorkerId worker, std::vector<ClaimName> claims);
  // Its processes say that the worker itself is dead: nobody answers for its warm units.
  [[nodiscard]] Status bereave(WorkerId const& worker);
  // The worker has no warm unit of the session any more.
  [[nodiscard]] Status confirm_release(WorkerId const& worker, SessionId const& session);
  // conflict when the claim is over. A step that was taken already is so again.
  Task<Status> take_step(WorkerId worker, RunId run, WireStep step);
  Task<Status> serve_model(WorkerId worker, ClaimName claim, net::HttpRequest request,
                           net::HttpReply& reply);
  Task<Status> serve_mcp(WorkerId worker, ClaimName claim, net::HttpRequest request,
                         net::HttpReply& reply);

  // Asks the worker that has the run, if one of these has it.
  void cancel(RunId const& run);
  // Asks all of them to end a warm unit of the session.
  void release(SessionId const& session);
  // Asks this one, and returns when it has, or has left, or says nothing for too long.
  Task<void> release_from(SessionId session, WorkerId worker);
  void on_expired(broker::ExpiredLease const& lease);
  [[nodiscard]] bool works_on(SessionId const& session) const;
  [[nodiscard]] std::set<SessionId> active_sessions() const;
  // Where offers go that workers may read themselves. Its changes are told to offers_changed().
  using Offers = std::function<std::optional<broker::RedisOffers>()>;
  void set_offers(Offers offers) { offers_ = std::move(offers); }
  void offers_changed();
  // Those that the worker takes.
  [[nodiscard]] std::optional<broker::RedisOffers> offers_for(WorkerId const& worker) const;
  void on_sessions_changed(std::function<void()> handler) {
    sessions_changed_ = std::move(handler);
  }

 private:
  struct Desk;
  struct Held;
  using DeskPtr = std::shared_ptr<Desk>;  // shared with the heartbeats that wait
  using HeldPtr = std::shared_ptr<Held>;  // shared with the steps and calls under way

  [[nodiscard]] Result<DeskPtr> desk_of(WorkerId const& worker);
  [[nodiscard]] Result<HeldPtr> held_by(WorkerId const& worker, ClaimName const& claim);
  void hold(Assignment const& assignment, Millis lease);
  void drop(HeldPtr const& held);
  Task<Status> store(HeldPtr held, WireStep step);
  Task<Status> store_end(HeldPtr held, WireStep step, RunRecord run);
  void forget_silent();

  Services const& services_;
  Control& control_;
  PoolBook const& pools_;
  std::map<WorkerId, DeskPtr> desks_;
  std::map<RunId, HeldPtr> held_;
  std::function<void()> sessions_changed_;
  Offers offers_;  // empty: there is no Redis
};

}  // namespace drover::worker
