#pragma once
// The embedded queue's memory on the event loop: the core, the claimers that wait before it, and
// its timer. Only EmbeddedQueue uses it.
#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "broker/embedded_queue.h"
#include "broker/queue_core.h"

namespace drover::broker {

struct EmbeddedQueue::Hub : std::enable_shared_from_this<Hub> {
  using Steady = std::chrono::steady_clock;

  // A claim that waits; lives in its coroutine.
  struct Waiter {
    Waiter(Hub& owner, ClaimRequest const& wanted, std::size_t most);
    ~Waiter();
    Waiter(Waiter const&) = delete;
    Waiter& operator=(Waiter const&) = delete;

    Hub* hub;
    ClaimRequest const* request;
    std::size_t claims_max;
    boost::asio::steady_timer timer;
    std::list<Waiter*>::iterator place;
    std::vector<Picked> picked;
    bool served = false;
  };

  Hub(store::Writer& to, Clock const& time, boost::asio::any_io_executor executor,
      QueueOptions wanted);

  store::Writer* writer;
  Clock const* clock;
  boost::asio::any_io_executor loop;
  QueueOptions options;
  QueueCore core;
  std::list<Waiter*> waiters;  // in the order in which they came
  boost::asio::steady_timer timer;
  std::optional<Steady::time_point> armed;
  std::function<void(ExpiredLease const&)> expired_handler;
  std::function<void()> change_handler;
  ExitHandler exit_handler;             // called on the writer's thread, set before load()
  std::atomic<std::size_t> depth{0};    // of `core`, for the writer's thread
  std::atomic<std::size_t> waiting{0};  // claimers, for the writer's thread
  std::atomic<bool> loaded{false};
  bool marks_left = false;  // of a process that is gone, in the rows; see load()
  bool stopped = false;

  [[nodiscard]] QueueTime now() const { return {clock->now(), clock->boot_now()}; }
  [[nodiscard]] std::vector<Picked> pick(ClaimRequest const& request, std::size_t most);
  // Claims that came to nothing: back to their places.
  void give_back(std::vector<Picked> const& picked);
  // After every change of the core.
  void changed();
  void tick();
  void arm();

 private:
  void serve_waiters();
  void start_exit(QueueExit exit);
};

}  // namespace drover::broker
