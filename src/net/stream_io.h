#pragma once
// Internal to the server: one accepted connection as bytes. Reads gather in input(), writes go out
// gathered in one system call, each wait has a deadline, and a watch notices that the peer has gone
// while nobody reads. On the loop's thread only.
#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.h"
#include "base/time.h"
#include "os/blocking_pool.h"
#include "os/fd.h"

namespace drover::net {

// Bytes of further requests that the watch takes in; above that it stops looking, and only a write
// will notice a peer that has gone.
inline constexpr std::size_t kWatchBytesMax = std::size_t{64} << 10U;

enum class ReadOutcome : std::uint8_t { bytes, end, expired, failed };

// Always owned by a shared_ptr: its timer and its watch call back after the connection has ended.
class StreamIo final : public std::enable_shared_from_this<StreamIo> {
 public:
  StreamIo(boost::asio::io_context& io, os::Fd fd, Millis write_timeout);

  // Appends what comes next to input(), at most kReadBytes of it.
  Task<ReadOutcome> read_more();
  [[nodiscard]] std::string& input() { return input_; }

  // All of `parts`, whose bytes the caller keeps. unavailable when the peer is lost, timeout when
  // it took nothing for the write timeout; the connection is closed then.
  Task<Status> write(std::vector<iovec> parts);

  // For reads; a read that waits past it gives `expired`.
  void set_deadline(Millis after);
  void clear_deadline();

  // Looks for the peer's end without waiting.
  [[nodiscard]] bool peer_gone();
  // Calls back once, from the loop and never from within this call; nullptr ends the watch.
  void watch(std::function<void()> on_gone);

  // Gives the connection away: this object is closed from here on.
  [[nodiscard]] os::Fd release();
  void shutdown_send();
  void close();
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }

 private:
  using Time = std::chrono::steady_clock::time_point;

  void arm_timer();
  void on_timer();
  void start_watch();
  void on_watch(bool readable);
  void take_what_is_there();
  void tell_gone();

  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer timer_;
  boost::asio::cancellation_signal watch_cancel_;
  std::function<void()> on_gone_;
  std::string input_;
  Millis write_timeout_;
  // The timer is armed once and looks at deadline_ when it fires, so that moving the deadline with
  // every write costs no system call.
  Time deadline_ = Time::max();
  Time armed_at_ = Time::max();
  int reads_in_a_row_ = 0;
  bool expired_ = false;
  bool watching_ = false;
  bool gone_ = false;
};

}  // namespace drover::net
