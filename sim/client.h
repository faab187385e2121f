#pragma once
// A client: asks for one run and, not knowing what became of its request, asks again under the same
// key until it has an id. Then it reads the run's events, may cancel it, and may send its session a
// further message, which answers the run where that has asked for one.
#include "sim/network.h"

namespace drover::sim {

class Client {
 public:
  Client(Agenda& agenda, Dice& dice, Network& network, Trace& trace, Audit& audit, int node,
         Wish wish);

  void start();
  [[nodiscard]] bool accepted() const { return accepted_; }

 private:
  void dispatch(Wish wish);
  void follow(Accepted const& accepted);
  void cancel(RunId const& run);
  void read(RunId const& run, std::int64_t after);

  Agenda* agenda_;
  Dice* dice_;
  Network* network_;
  Trace* trace_;
  Audit* audit_;
  int node_;
  Wish wish_;
  bool accepted_ = false;
  int messages_ = 0;  // further ones that it may send
};

}  // namespace drover::sim
