#include "store/reader.h"

#include <utility>

#include "base/log.h"

namespace drover::store {

Readers::Readers(std::string path, os::BlockingPool& pool, ReaderOptions options)
    : path_(std::move(path)), pool_(&pool), options_(std::move(options)) {}

Result<Database> Readers::take() {
  {
    auto idle = idle_.lock();
    if (!idle->empty()) {
      Database connection = std::move(idle->back());
      idle->pop_back();
      return connection;
    }
  }
  return Database::open(path_, OpenMode::reader, options_.open);
}

void Readers::give_back(Database connection) {
  // A connection that cannot end its snapshot would keep the log from being moved: close it.
  if (auto const ended = connection.run("COMMIT"); !ended) {
    log::warn("store-reader-dropped", {{"error", ended.error().message}});
    return;
  }
  auto idle = idle_.lock();
  if (idle->size() < options_.idle_connections_max) idle->push_back(std::move(connection));
}

}  // namespace drover::store
