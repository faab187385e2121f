#pragma once
// The queue: what waits, pauses, and the dead letters.
//
// On the event loop.
#include "api/route_table.h"
#include "worker/dispatcher.h"
#include "worker/services.h"

namespace drover::api {

class QueueRoutes {
 public:
  QueueRoutes(worker::Services const& services, worker::Dispatcher& dispatcher)
      : services_(services), dispatcher_(dispatcher) {}
  [[nodiscard]] static RouteTable<QueueRoutes> table();

 private:
  Task<Status> list_queues(Call call, net::HttpReply& reply);
  Task<Status> pause_queue(Call call, net::HttpReply& reply);
  Task<Status> resume_queue(Call call, net::HttpReply& reply);
  Task<Status> list_dead_letters(Call call, net::HttpReply& reply);
  Task<Status> replay_dead_letters(Call call, net::HttpReply& reply);
  Task<Status> replay_dead_letter(Call call, net::HttpReply& reply);
  Task<Status> discard_dead_letter(Call call, net::HttpReply& reply);

  worker::Services const& services_;
  worker::Dispatcher& dispatcher_;
};

}  // namespace drover::api
