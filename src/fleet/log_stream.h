#pragma once
// What one container writes, line by line, as its engine tells it. On the event loop.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "os/blocking_pool.h"

namespace drover::fleet {

struct LogLine {
  std::string text{};    // without its line break: untrusted, any bytes
  std::string at{};      // as the engine writes it; empty where it does not say
  std::string cursor{};  // what follows behind this line
};
struct LogBatch {
  std::vector<LogLine> lines{};  // none: nothing came for a while
  bool gap = false;              // some before these are gone
};

// Where to begin: behind a cursor of the same engine, or with the last lines.
struct LogStart {
  int lines = 0;  // 0: all
  std::string cursor{};
};

// One next() at a time. Its destructor frees what the engine gives for it.
class LogStream {
 public:
  virtual ~LogStream() = default;
  // nullopt once its program has ended and all was told. A slow reader slows the engine down, or
  // is told of a gap.
  virtual Task<Result<std::optional<LogBatch>>> next() = 0;
  // A next() under way, and any later one, gets cancelled or nullopt.
  virtual void cancel() = 0;
};

}  // namespace drover::fleet
