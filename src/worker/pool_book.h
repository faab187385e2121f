#pragma once
// What workers of a pool are, where they do not say it themselves: the file pools.toml or
// pools.json of the state folder.
//
// Immutable once loaded.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "broker/dispatch_queue.h"
#include "worker/worker_card.h"
#include "worker/worker_mode.h"

namespace drover::worker {

struct PoolSettings {
  std::optional<WorkerMode> mode;
  std::vector<std::string> task_types;  // empty: any
  broker::Labels labels;
};
using Pools = std::map<std::string, PoolSettings>;

// invalid_argument with the place of what does not fit.
[[nodiscard]] Result<Pools> parse_pools(json::value const& value);

// The card with what its pools say of what it leaves open, each member for itself; a daemon where
// nobody says the mode. conflict where the pools that it names say different things.
[[nodiscard]] Result<WorkerCard> completed(WorkerCard card, Pools const& pools);

class PoolBook {
 public:
  static constexpr std::size_t kFileBytesMax = std::size_t{1} << 20U;

  // Once, at start; there need be no file. The error names the file and the place in it.
  [[nodiscard]] Status load(std::string const& state_folder);
  [[nodiscard]] Pools const& pools() const { return pools_; }

 private:
  [[nodiscard]] Status load_file(std::string const& path);
  Pools pools_;
};

}  // namespace drover::worker
