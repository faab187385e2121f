#pragma once
// The output of a sandbox of the process backend, of which the last 16 KiB are kept. A cursor says
// which start of which sandbox, and how many bytes of its output.
#include <cstdint>
#include <string>

#include "fleet/log_stream.h"
#include "runtime/process_backend.h"

namespace drover::fleet {

class ProcessLogStream final : public LogStream {
 public:
  // `start` is the sandbox and the number of its start: what a cursor of it begins with.
  ProcessLogStream(runtime::ProcessBackend& backend, std::string sandbox, std::string start,
                   LogStart const& from);

  Task<Result<std::optional<LogBatch>>> next() override;
  void cancel() override;

 private:
  enum class Rest : std::uint8_t { may_go_on, is_all };

  [[nodiscard]] LogBatch batch_of(std::string_view text, Rest rest);

  runtime::ProcessBackend& backend_;
  std::string sandbox_;
  std::string start_;
  int lines_;                // of what there is at the beginning; 0: all
  std::uint64_t bytes_ = 0;  // read so far
  std::string pending_{};    // a line whose end has not come
  bool cancelled_ = false;
};

}  // namespace drover::fleet
