#pragma once
// The rows of the API's workloads, and of the callbacks that somebody still has to hear. A step of
// a workload and its callback are one transaction; a callback stays until it was acknowledged.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "contract/workload.h"
#include "runtime/profile.h"
#include "store/migrations.h"
#include "store/writer.h"

namespace drover::runtime {

struct WorkloadRow {
  contract::WorkloadSpec spec{};
  WorkloadId name{};  // that backends know it by
  Profile profile{};
  std::string owner{};
  contract::WorkloadStatus status{};
  std::string detail{};
};

struct CallbackRow {
  std::int64_t number = 0;
  std::string workload{};
  std::string url{};
  std::string body{};
  int attempts = 0;
  WallTime created{};
  WallTime due{};
};

[[nodiscard]] std::vector<store::Migration> workload_migrations();

[[nodiscard]] Result<std::vector<WorkloadRow>> load_workloads(store::Database& database);
// In place of one of the same id; with the event that its callback is to hear, if it has one.
[[nodiscard]] Status put_workload(store::Database& database, WorkloadRow const& row, WallTime now);
// With the last event.
[[nodiscard]] Status remove_workload(store::Database& database, WorkloadRow const& row,
                                     WallTime now);

// Without a word to anybody.
[[nodiscard]] Status forget_workload(store::Database& database, std::string const& id);

// The oldest of each workload: the next of one waits until the one before it is heard.
[[nodiscard]] Result<std::vector<CallbackRow>> next_callbacks(store::Database& database);
[[nodiscard]] Status remove_callback(store::Database& database, std::int64_t number);
[[nodiscard]] Status delay_callback(store::Database& database, std::int64_t number, int attempts,
                                    WallTime due);

}  // namespace drover::runtime
