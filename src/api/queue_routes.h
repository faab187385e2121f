#pragma once
// The queue: what waits, pauses, limits, and the dead letters.
//
// On the event loop.
#include "api/route_table.h"
#include "worker/dispatcher.h"
#include "worker/limit_book.h"
#include "worker/services.h"

namespace drover::api {

class QueueRoutes {
 public:
  QueueRoutes(worker::Services const& services, worker::Dispatcher& dispatcher,
              worker::LimitBook& limits)
      : services_(services), dispatcher_(dispatcher), limits_(limits) {}
  [[nodiscard]] static RouteTable<QueueRoutes> table();

 private:
  Task<Status> list_queues(Call call, net::HttpReply& reply);
  Task<Status> pause_queue(Call call, net::HttpReply& reply);
  Task<Status> resume_queue(Call call, net::HttpReply& reply);
  Task<Status> get_limits(Call call, net::HttpReply& reply);
  Task<Status> put_limits(Call call, net::HttpReply& reply);
  Task<Status> list_dead_letters(Call call, net::HttpReply& reply);
  Task<Status> replay_dead_letters(Call call, net::HttpReply& reply);
  Task<Status> replay_dead_letter(Call call, net::HttpReply& reply);
  Task<Status> discard_dead_letter(Call call, net::HttpReply& reply);

  worker::Services const& services_;
  worker::Dispatcher& dispatcher_;
  worker::LimitBook& limits_;
};

}  // namespace drover::api
