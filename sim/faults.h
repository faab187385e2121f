#pragma once
// What may go wrong in a history, and defects that can be planted to see that they are found.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::sim {

enum class Fault : std::uint8_t {
  kill_server,   // as SIGKILL: what was written is there, synced or not
  power,         // cut at any write or sync: what was not synced is lost, torn or there
  sync_error,    // a sync fails, and what it should have made durable never is
  write_error,   // a write fails with EIO
  disk_full,     // for a while
  slow_disk,     // a commit takes seconds
  lose,          // a request or an answer is lost
  duplicate,     // a request arrives twice
  partition,     // a worker reaches nobody for a while
  pause_worker,  // as SIGSTOP and SIGCONT, for up to twice the lease
  kill_worker,
  clock,  // the wall clock is set, by up to an hour in either direction
  hand,   // somebody takes a run and its place in the queue apart while the server is down
  redis,  // it is flushed, loses its newest entries, is away, breaks connections
};
inline constexpr int kFaultCount = 14;

class FaultSet {
 public:
  [[nodiscard]] static FaultSet all() { return FaultSet{(1U << kFaultCount) - 1U}; }
  [[nodiscard]] static FaultSet none() { return FaultSet{0}; }
  // "all", "none", or names with commas between them.
  [[nodiscard]] static Result<FaultSet> parse(std::string_view text);

  [[nodiscard]] bool has(Fault fault) const { return (bits_ & bit(fault)) != 0; }
  void add(Fault fault) { bits_ |= bit(fault); }
  [[nodiscard]] FaultSet operator&(FaultSet other) const { return FaultSet{bits_ & other.bits_}; }
  [[nodiscard]] std::string str() const;

 private:
  explicit FaultSet(unsigned bits) : bits_(bits) {}
  static unsigned bit(Fault fault) { return 1U << static_cast<unsigned>(fault); }
  unsigned bits_;
};

enum class Defect : std::uint8_t {
  none,
  unfenced_worker,  // goes on to its effect although its attempt is superseded
  unfenced_events,  // what a superseded attempt says is taken
  lying_disk,       // says that it synced and did not
  early_answer,     // a dispatch is answered before it is durable
  no_trailer,       // an effect is not looked for before it is made
  wall_leases,      // a step of the wall clock ends leases
  deaf_heart,       // the server takes no heartbeat
  blind_eye,        // a unit that says nothing more is waited for
  no_watch,         // nobody looks whether runs and queue fit, or whose answer is overdue
  deaf_session,     // a message is no answer to the run that waits for one
  no_rescue,        // what is set aside has no ref
  early_end,        // a run ends before its commit is made
  trusting_relay,   // offers are thought to be in Redis whatever becomes of it
  free_calls,       // what a model call may cost is not on disk before it is made
};
[[nodiscard]] Result<Defect> parse_defect(std::string_view text);
[[nodiscard]] std::string_view to_string(Defect defect);

}  // namespace drover::sim
