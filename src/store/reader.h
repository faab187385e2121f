#pragma once
// Reads beside the writer: a few read-only connections on a blocking pool.
//
// Each call sees one consistent snapshot: everything that had been committed when it began.
// Thread-safety: run() may be called from any executor; `work` runs on a pool thread.
// Life: must outlive its calls; destroy before the Writer of the same file, so that the writer is
// the last to close it.
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/guarded.h"
#include "os/blocking_pool.h"
#include "store/database.h"

namespace drover::store {

struct ReaderOptions {
  // Connections kept open while idle; no more exist at once than the pool has threads.
  std::size_t idle_connections_max = 4;
  OpenOptions open{};
};

class Readers {
 public:
  Readers(std::string path, os::BlockingPool& pool, ReaderOptions options = {});

  // `work` is Database& -> Result<T> or Status.
  template <class Work>
  Task<std::invoke_result_t<Work&, Database&>> run(Work work) {
    co_return co_await pool_->run(
        [this, job = std::move(work)]() mutable { return run_blocking(job); });
  }

  template <class Work>
  [[nodiscard]] std::invoke_result_t<Work&, Database&> run_blocking(Work&& work) {
    auto connection = take();
    if (!connection) return std::unexpected(std::move(connection).error());
    if (auto begun = connection->run("BEGIN"); !begun)
      return std::unexpected(std::move(begun).error());
    auto value = work(*connection);
    give_back(std::move(*connection));
    return value;
  }

 private:
  [[nodiscard]] Result<Database> take();
  void give_back(Database connection);

  std::string path_;
  os::BlockingPool* pool_;
  ReaderOptions options_;
  Guarded<std::vector<Database>> idle_;
};

}  // namespace drover::store
