#pragma once
// What the worker's parts stand on; made once by the server, which outlives them.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/random.h"
#include "base/time.h"
#include "broker/dispatch_queue.h"
#include "broker/stream.h"
#include "gateway/model_proxy.h"
#include "gateway/token.h"
#include "os/blocking_pool.h"
#include "runtime/runtime.h"
#include "store/disk_reserve.h"
#include "store/reader.h"
#include "store/writer.h"
#include "worker/definitions.h"
#include "worker/spend_book.h"
#include "workspace/registry.h"

namespace drover::worker {

// Of turns that a third-party worker serves.
struct ThirdPartyLimits {
  Millis start{120'000};              // until one takes the turn
  Millis silence{600'000};            // without a word of it
  Millis silence_after_loss{60'000};  // the same, where Redis lost data meanwhile
};

struct WorkerOptions {
  std::string state_folder;  // absolute
  std::string unit_program;  // absolute path of drover-unit
  std::size_t slots = 8;     // runs at once
  Millis idle{60'000};       // how long a unit stays warm after a turn
  Millis run_timeout{30 * 60'000};
  std::int64_t turns_max = 200;   // model calls of a run that names no limit
  Millis interrupt_grace{2'000};  // for a unit to end its turn in order before it is killed
  Millis lease{90'000};
  // In a process of its own: its folders are those of the server only where the machines share
  // them.
  bool joined = false;
  std::string session_folder{};  // of sessions that may not write their workspace; empty: beside
                                 // the state folder's others
  std::vector<std::string> third_party_runners{};  // whose units third-party workers serve
  ThirdPartyLimits third_party{};
};

[[nodiscard]] inline bool is_third_party(WorkerOptions const& options, std::string_view runner) {
  return std::ranges::find(options.third_party_runners, runner) !=
         options.third_party_runners.end();
}

struct Services {
  boost::asio::io_context& io;
  Clock const& clock;
  Random& random;
  os::BlockingPool& pool;
  os::BlockingPool& sync_pool;  // for what waits for the disk: checkouts, commits, landing
  store::Writer& writer;
  store::Readers& readers;
  store::DiskReserve& reserve;
  broker::OutputStreams& streams;
  broker::DispatchQueue& queue;
  workspace::Registry& workspaces;
  TaskRegistry const& task_types;
  AgentRegistry const& agents;
  gateway::ModelProxy& models;
  SpendBook& spend;
  gateway::TokenKey const& tokens;
  runtime::Runtime& runtime;
  WorkerOptions options;
};

}  // namespace drover::worker
