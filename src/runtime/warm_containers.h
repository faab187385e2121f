#pragma once
// Containers that wait for their workload. Each runs drover's own program and nothing else, as a
// user of its own; what a workload brings is mounted into it when it is taken, and then the program
// is told what it is. On the event loop; part of an owner that its coroutines keep.
//
// One that is not taken goes when nobody wants it any more, or with the next server.
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "os/async_event.h"
#include "os/fd.h"
#include "runtime/bind_sources.h"
#include "runtime/container_maker.h"
#include "runtime/container_reconcile.h"
#include "runtime/session_uids.h"
#include "runtime/warm_plan.h"

namespace drover::runtime {

struct WarmParts {
  boost::asio::any_io_executor executor;
  os::BlockingPool& pool;
  Clock const& clock;
  Random& random;
  DockerEngine& engine;
  ContainerMaker& maker;
  BindSources& binds;
  SessionUids& uids;
  std::string folder;  // of this server's alone
};

struct WarmContainer {
  WorkloadId id{};  // as which it was made
  std::string container{};
  WarmWish wish{};
  uid_t uid = 0;
  os::Fd program{};
  bool gone = false;
};
using WarmPtr = std::shared_ptr<WarmContainer>;

class WarmContainers {
 public:
  struct Hooks {
    // The name of this server to the engine, once the engine answers.
    std::function<Task<Result<std::string>>()> server;
  };

  WarmContainers(WarmParts const& parts, Hooks hooks)
      : parts_(parts), hooks_(std::move(hooks)), changed_(parts_.executor) {}

  // From now on these are kept, in place of those before; returns once nothing is there that is not
  // wanted. unsupported without root. `owner` holds this object.
  Task<Status> want(std::vector<WarmWish> wishes, std::shared_ptr<void> owner);

  // One for this workload, which is the caller's from then on, with its uid; null: there is none.
  [[nodiscard]] WarmPtr take(WorkloadSpec const& spec);
  // Makes it the workload: its mounts (BindSources::make()), its environment. An error that is not
  // not_found says that something is wrong; in any case the container is of no further use.
  Task<Status> hand_over(WarmPtr warm, WorkloadSpec spec, std::vector<BoundSource> binds);

  // It has ended or is gone.
  void lost(std::string const& container);
  [[nodiscard]] std::vector<KnownContainer> known() const;
  [[nodiscard]] std::size_t size() const { return held_.size(); }
  [[nodiscard]] bool wanted() const { return !wishes_.empty(); }
  void close();

 private:
  [[nodiscard]] WarmPlan plan() const;
  [[nodiscard]] bool has_unwanted() const;
  [[nodiscard]] std::string fifo_of(WarmContainer const& warm) const;
  Task<void> discard(std::string container);
  Task<Status> start_one(std::string kind);
  Task<Status> bring_up(WarmPtr warm);
  Task<void> clean(WarmPtr warm);
  void wait_longer();
  static Task<void> keep(WarmContainers& self, std::shared_ptr<void> owner);

  WarmParts parts_;
  Hooks hooks_;
  std::map<std::string, WarmWish> wishes_;  // by kind
  std::vector<WarmPtr> held_;               // in the order in which they came to wait
  WarmPtr starting_;
  bool removing_ = false;
  std::chrono::steady_clock::time_point retry_at_{};
  Millis wait_{0};  // of the last failure
  os::AsyncEvent changed_;
  bool keeping_ = false;
  bool closed_ = false;
};

}  // namespace drover::runtime
