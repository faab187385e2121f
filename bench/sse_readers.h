#pragma once
// Many clients of one event stream on one thread: epoll, and no more work for each event than
// finding the time that is in it, so that the clients do not become what is measured.
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "figures.h"
#include "os/fd.h"

namespace drover::bench {

class SseReaders {
 public:
  // Connects them all and waits until each has the head of its answer.
  [[nodiscard]] static Result<SseReaders> connect(std::uint16_t port, std::string const& path,
                                                  int count);

  // Until every reader has had `events` more. In ms from being handed in to being read.
  [[nodiscard]] Result<Samples> receive(int events);

 private:
  struct Reader {
    os::Fd socket;
    std::string line;   // what has come of an unfinished one
    bool open = false;  // the head has been read
    int received = 0;
  };
  explicit SseReaders(os::Fd poller) : poller_(std::move(poller)) {}
  [[nodiscard]] Status add(std::uint16_t port, std::string const& request);
  // Reads until every reader has had `target` events; latencies go to `samples` where there is one.
  [[nodiscard]] Status pump(int target, Samples* samples);
  [[nodiscard]] Status read(Reader& reader, Samples* samples);
  void take_line(Reader& reader, std::string_view line, std::int64_t now, Samples* samples);
  [[nodiscard]] bool all_at(int target) const;

  os::Fd poller_;
  std::vector<Reader> readers_;
};

}  // namespace drover::bench
