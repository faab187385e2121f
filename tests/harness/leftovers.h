#pragma once
// What a server left although nothing should be there: processes, mounts, sockets, cgroups. For
// tests and for the benchmarks. Thread-compatible.
#include <string>
#include <vector>

namespace drover::harness {

// Of the cgroups that sessions of this state folder had.
[[nodiscard]] std::vector<std::string> cgroups_of(std::string const& state_folder);
// One line each, of a server whose state is somewhere below `root` and that no longer runs; also
// every process below this one.
[[nodiscard]] std::vector<std::string> leftovers_of(std::string const& root,
                                                    std::string const& state_folder);

}  // namespace drover::harness
