#pragma once
// A client: asks for one run and, not knowing what became of its request, asks again under the same
// key until it has an id. Then it reads the run's events, and may cancel it.
#include <optional>

#include "sim/network.h"

namespace drover::sim {

class Client {
 public:
  Client(Agenda& agenda, Dice& dice, Network& network, Trace& trace, Audit& audit, int node,
         Wish wish);

  void start();
  [[nodiscard]] bool accepted() const { return run_.has_value(); }

 private:
  void dispatch();
  void cancel();
  void read(std::int64_t after);

  Agenda* agenda_;
  Dice* dice_;
  Network* network_;
  Trace* trace_;
  Audit* audit_;
  int node_;
  Wish wish_;
  std::optional<RunId> run_;
};

}  // namespace drover::sim
