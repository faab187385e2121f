#pragma once
// How much the writable workspaces of a sandbox grow, and when that is too much. No file system
// counts for us (docs/decisions/0015), so the trees are measured; how often is decided by how fast
// the disk's free space goes, which costs a system call to see. GrowthMeter is pure.
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace drover::sandbox {

struct TreeSize {
  std::uint64_t bytes = 0;  // on disk
  std::uint64_t files = 0;
  TreeSize& operator+=(TreeSize const& other);
};

// Of the folders, without following links or leaving their file systems; a file of several links
// counts once. What vanishes meanwhile is left out. too_large for a tree that is nested too deeply
// to be walked.
[[nodiscard]] Result<TreeSize> measure_trees(std::vector<std::string> const& folders);
// Of files that have no name any more but are open in one of the processes, on the folders' file
// systems: a tree does not show them.
[[nodiscard]] TreeSize measure_unnamed(std::vector<pid_t> const& processes,
                                       std::vector<std::string> const& folders);
// Free space of the file systems that the folders are on.
[[nodiscard]] std::uint64_t free_bytes(std::vector<std::string> const& folders);

class GrowthMeter {
 public:
  explicit GrowthMeter(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // Is it time to measure? At once where there is nothing to compare with; when half of what is
  // left of the limit has gone from the disk, whoever took it; and now and then, for a disk on
  // which others make room. `now` is of any clock that only goes forward.
  [[nodiscard]] bool due(Millis now, std::uint64_t free) const;
  // What was measured, and how long it took. The growth in bytes, where it is too much.
  [[nodiscard]] std::optional<std::uint64_t> measured(Millis now, Millis took, TreeSize size,
                                                      std::uint64_t free);
  // What is there at the next measurement is where growth starts.
  void restart() { start_.reset(); }

  // Measuring takes at most a twentieth of the time, and happens at least that often.
  static constexpr int kShare = 20;
  static constexpr Millis kPauseMin{2'000};

 private:
  std::uint64_t bytes_max_;
  std::optional<std::uint64_t> start_;
  std::uint64_t grown_ = 0;
  std::uint64_t free_then_ = 0;
  Millis next_{0};
};

}  // namespace drover::sandbox
