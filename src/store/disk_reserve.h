#pragma once
// Room on the store's disk that is kept for the end of what has begun.
//
// A file of `bytes` is allocated beside the store. When a commit fails for want of room the file is
// given up: what it held is enough for runs under way to end and be recorded. Until there is room
// to allocate it again, nothing new is begun (`room()` says why), and watch() looks for that room.
// Thread-safety: hold(), give_up(), held() and room() from any thread; the rest on the event loop.
// Life: watch() ends after stop(); give_up() must not be called once the object's loop is gone.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "base/error.h"
#include "base/time.h"
#include "os/async_event.h"
#include "os/blocking_pool.h"

namespace drover::store {

struct DiskReserveOptions {
  std::string path;         // of the file
  std::uint64_t bytes = 0;  // 0: there is no reserve, and it counts as held
  Millis look_every{1'000};
};

class DiskReserve {
 public:
  DiskReserve(DiskReserveOptions options, boost::asio::any_io_executor loop,
              os::BlockingPool& pool);

  // Allocates the file, or finds it. no_space while the disk has less than the reserve and a
  // quarter more: one that is given up again at once would help nobody. Blocks.
  [[nodiscard]] Status hold();
  // Idempotent. Blocks for one unlink().
  void give_up();
  [[nodiscard]] bool held() const { return held_; }
  // no_space, with the sentence for people, while it is given up.
  [[nodiscard]] Status room() const;

  // Allocates the file again once there is room. Asks nothing of the machine while it is held.
  Task<void> watch();
  void stop();
  // Returns when it is held or was given up, or at the deadline; the caller looks again.
  Task<void> wait_change(os::AsyncEvent::TimePoint deadline);

 private:
  [[nodiscard]] Status allocate() const;
  DiskReserveOptions const options_;
  boost::asio::any_io_executor loop_;
  os::BlockingPool* pool_;
  std::mutex mutex_;  // orders hold() and give_up(), which work on one file
  std::atomic<bool> held_;
  bool stopping_ = false;
  os::AsyncEvent changed_;
};

}  // namespace drover::store
