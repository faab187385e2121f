#pragma once
// Which files of a state folder belong into an archive. Pure.
#include <string_view>

namespace drover::backup {

// Records of live workloads, by which the next server ends what a killed one left.
inline constexpr std::string_view kWorkloadRecords = "workloads";

// Files of a server that runs, of no use to the next one, by their names at the top: locks, logs,
// where the server listens, what its units are reached by and what is to be reaped of them, the
// space that is kept for a full disk, and SQLite's side files, whose content the copy of the store
// has.
[[nodiscard]] bool is_left_out(std::string_view path);

// Whether agents write there, so that what cannot be read is theirs and stops nothing.
[[nodiscard]] bool is_of_agents(std::string_view path);

}  // namespace drover::backup
