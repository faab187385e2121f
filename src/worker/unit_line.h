#pragma once
// The worker's end of a unit, whatever it speaks: the unit API over its own socket
// (`unit_channel.h`), or a third-party worker's streams in Redis (`third_party_line.h`). It hands
// the unit its turns and takes what it says into the run's stream; all of that is untrusted.
//
// On the event loop. Life: any number of begin/end, close.
#include "os/blocking_pool.h"
#include "worker/turn.h"

namespace drover::worker {

class UnitLine {
 public:
  virtual ~UnitLine() = default;

  // The next message. The line had no turn.
  virtual void begin(TurnPtr turn) = 0;
  // Asks the unit to end its turn in order.
  virtual void interrupt() = 0;
  // Later events and model calls of the turn are refused.
  virtual void end() = 0;
  // Nothing more is heard of the unit once this returns.
  virtual Task<void> close() = 0;
};

}  // namespace drover::worker
