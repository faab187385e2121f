#pragma once
// Output streams over the store, with the recent events of each stream in memory.
//
// append() belongs to the writer's thread, everything else to the event loop.
// Life: the Writer and the Readers must outlive it, and it its readers.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "broker/stream.h"
#include "store/reader.h"
#include "store/writer.h"

namespace drover::broker {

struct StreamOptions {
  // What is kept in memory of one stream, and of all. A reader that is further behind reads the
  // file; nothing is lost.
  std::size_t ring_events_max = 1024;
  std::size_t ring_bytes_max = std::size_t{1} << 20U;
  std::size_t rings_bytes_max = std::size_t{16} << 20U;
  std::size_t readers_max = 10'000;                     // further ones are refused
  std::size_t batch_bytes_max = std::size_t{1} << 20U;  // of one next(); one event always fits
};

struct StreamStats {
  std::size_t readers = 0;
  std::size_t rings = 0;
  std::size_t ring_bytes = 0;
  std::uint64_t file_reads = 0;  // batches that memory could not serve
};

class EmbeddedStreams final : public OutputStreams {
 public:
  EmbeddedStreams(store::Writer& writer, store::Readers& readers, Clock const& clock,
                  boost::asio::any_io_executor loop, StreamOptions options = {});
  ~EmbeddedStreams() override;

  Result<std::vector<std::int64_t>> append(store::Transaction& transaction, StreamName const& name,
                                           std::vector<EventDraft> const& drafts) override;
  Result<std::unique_ptr<StreamReader>> open_reader(StreamName const& name,
                                                    std::int64_t after_seq) override;
  Task<Result<std::int64_t>> trim(TrimPolicy policy) override;

  // Called on the event loop for what has become durable. `first_seq` is that of the first event.
  struct Published {
    std::string const& name;
    std::int64_t first_seq;
    std::int64_t last_seq;
    bool closed;
  };
  void on_publish(std::function<void(Published const&)> handler);

  // Ends every next() that waits, and refuses new readers: the server is going down.
  void stop();
  [[nodiscard]] StreamStats stats() const;

 private:
  struct Hub;
  class Reader;
  // shared_ptr: hooks of commits may still be on their way to the loop when this object goes.
  std::shared_ptr<Hub> hub_;
  store::Writer* writer_;
  Clock const* clock_;
};

}  // namespace drover::broker
