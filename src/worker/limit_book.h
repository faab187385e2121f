#pragma once
// The limits that the queue has, and where they are from: the file queue.toml or queue.json of the
// state folder; where there is none, what the API stored; else there are none.
//
// On the event loop. What the API changes is on disk before it holds.
#include <string>
#include <vector>

#include "broker/embedded_queue.h"
#include "broker/gate.h"
#include "os/blocking_pool.h"
#include "store/migrations.h"
#include "store/writer.h"

namespace drover::worker {

class LimitBook {
 public:
  static constexpr std::size_t kFileBytesMax = std::size_t{4} << 20U;

  LimitBook(store::Writer& writer, broker::EmbeddedQueue& queue);

  [[nodiscard]] static std::vector<store::Migration> migrations();
  // Once, at start: gives the queue its limits. The error of a file names it and the place in it.
  [[nodiscard]] Status load(store::Database& database, std::string const& state_folder);

  enum class Origin : std::uint8_t { none, api, file };
  struct Present {
    broker::QueueLimits limits;
    Origin origin = Origin::none;
    std::string file;           // where it is from a file
    std::int64_t revision = 0;  // counts the changes through the API
  };
  [[nodiscard]] Present const& present() const { return present_; }

  // In place of all that was stored before. Holds at once: what works goes on. conflict when a file
  // says the limits, or when `expected_revision` is not the present one.
  Task<Result<Present>> put(broker::QueueLimits limits,
                            std::optional<std::int64_t> expected_revision);

 private:
  [[nodiscard]] Status load_file(std::string const& path);

  store::Writer& writer_;
  broker::EmbeddedQueue& queue_;
  Present present_;
};

[[nodiscard]] std::string_view to_string(LimitBook::Origin origin);

}  // namespace drover::worker
