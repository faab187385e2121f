#pragma once
// The way between clients, workers and the server: messages take their time, get lost, come twice,
// and a node that is cut off reaches nobody. Whoever asks gets one answer, or a timeout.
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "sim/agenda.h"
#include "sim/faults.h"
#include "sim/server.h"
#include "sim/trace.h"

namespace drover::sim {

template <class T>
using Ask = std::function<Task<Result<T>>(Server&)>;
template <class T>
using Done = std::function<void(Result<T>)>;

class Network {
 public:
  Network(Agenda& agenda, Dice& dice, FaultSet const& faults)
      : agenda_(&agenda), dice_(&dice), faults_(&faults) {}

  void connect(Server* server) { server_ = server; }
  void cut_off(int node) { cut_off_.insert(node); }
  void rejoin(int node) { cut_off_.erase(node); }

  // `ask` may be carried out twice, or `done` get a timeout although it was carried out.
  template <class T>
  void call(int node, Ask<T> ask, Done<T> done, Millis timeout = Millis{3'000}) {
    auto const open = std::make_shared<Done<T>>(std::move(done));
    Done<T> const answer = [open](Result<T> result) {
      auto const waiting = std::exchange(*open, nullptr);
      if (waiting) waiting(std::move(result));
    };
    int const copies = faults_->has(Fault::duplicate) && dice_->one_in(16) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (loses(node)) continue;
      agenda_->in(delay(), [this, node, ask, answer] { deliver<T>(node, ask, answer); });
    }
    agenda_->in(timeout, [answer] { answer(fail(ErrorCode::timeout, "no answer came")); });
  }

 private:
  template <class T>
  void deliver(int node, Ask<T> const& ask, Done<T> const& answer) {
    if (server_ == nullptr) return;
    server_->start(ask(*server_), [this, node, answer](Result<T> result) {
      if (loses(node)) return;
      agenda_->in(delay(), [answer, result = std::move(result)] { answer(result); });
    });
  }
  [[nodiscard]] bool loses(int node) {
    return cut_off_.contains(node) || (faults_->has(Fault::lose) && dice_->one_in(24));
  }
  // Mostly fast; what is slow is overtaken.
  [[nodiscard]] Nanos delay() {
    return dice_->one_in(12) ? dice_->between(Millis{1}, Millis{800})
                             : dice_->between(Micros{20}, Millis{2});
  }

  Agenda* agenda_;
  Dice* dice_;
  FaultSet const* faults_;
  Server* server_ = nullptr;
  std::set<int> cut_off_;
};

}  // namespace drover::sim
