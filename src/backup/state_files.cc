#include "backup/state_files.h"

#include <algorithm>
#include <array>

namespace drover::backup {

namespace {

constexpr std::array<std::string_view, 8> kLeftOut = {
    "server.json", "units",         kWorkloadRecords, "workers",
    "reserve",     "drover.db-wal", "drover.db-shm",  "drover.db-journal",
};
constexpr std::array<std::string_view, 2> kEndings = {".lock", ".log"};
constexpr std::array<std::string_view, 2> kOfAgents = {"sessions", "worktrees"};

}  // namespace

bool is_left_out(std::string_view path) {
  if (path.contains('/')) return false;
  return std::ranges::find(kLeftOut, path) != kLeftOut.end() ||
         std::ranges::any_of(kEndings, [&](auto ending) { return path.ends_with(ending); });
}

bool is_of_agents(std::string_view path) {
  return std::ranges::find(kOfAgents, path.substr(0, path.find('/'))) != kOfAgents.end();
}

}  // namespace drover::backup
