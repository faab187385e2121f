#pragma once
// How a turn gets into a container that runs, and out of it again: its mounts, the record by which
// the next server finds what it left on the host, the watch over how its folders grow, and the end
// of everything that it left running.
//
// What blocks says so and runs on the pool; a place is one turn's at a time.
#include <string>

#include "fleet/resident_turn.h"
#include "runtime/bind_sources.h"
#include "runtime/record.h"
#include "sandbox/growth_watch.h"

namespace drover::fleet {

// What a sandbox may write beside its mounts.
[[nodiscard]] std::vector<std::string> resident_writable();

class TurnMoves {
 public:
  // `folder` is this server's alone.
  explicit TurnMoves(std::string folder);

  // What an earlier server left on the host. What it left in the containers goes before their next
  // turn. Blocks.
  [[nodiscard]] Status recover();
  // Blocks.
  [[nodiscard]] Status move_in(Turn& turn);
  // The place is as it was before. Blocks.
  [[nodiscard]] Status move_out(Turn const& turn);
  // Ends all but the program, and takes away what was mounted. Blocks.
  [[nodiscard]] Status reset(ResidentPlace const& place) const;

  void stop_watching(Turn& turn);
  // What is still bound on the host.
  void clear();

 private:
  [[nodiscard]] Status watch_growth(Turn& turn);

  std::string folder_;
  runtime::RecordFolder records_;
  runtime::BindSources binds_;
  sandbox::GrowthWatch growth_;
};

}  // namespace drover::fleet
