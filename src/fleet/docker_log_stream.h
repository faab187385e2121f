#pragma once
// The output of a container of an engine, as it comes over one connection. A cursor is the
// container, the engine's time of a line, and the how manieth of that time it is: Podman's has no
// more than seconds. What the engine sends again up to there is left out; of another container
// nothing is.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/log_stream.h"
#include "net/http_client.h"
#include "runtime/output_frames.h"

namespace drover::fleet {

struct EngineMoment {
  std::string moment{};  // of runtime::OutputLine; empty: before all
  std::uint64_t count = 0;
};
// "0123456789ab/1795331132.607123456:1"; nullopt for what is no such cursor of this container.
[[nodiscard]] std::optional<EngineMoment> parse_engine_moment(std::string_view cursor,
                                                              std::string_view container);

class DockerLogStream final : public LogStream {
 public:
  DockerLogStream(std::unique_ptr<net::ResponseStream> stream, std::string container,
                  EngineMoment behind)
      : stream_(std::move(stream)), container_(std::move(container)), behind_(std::move(behind)) {}

  Task<Result<std::optional<LogBatch>>> next() override;
  void cancel() override { stream_->cancel(); }

 private:
  [[nodiscard]] LogBatch batch_of(std::vector<std::string> frames);

  std::unique_ptr<net::ResponseStream> stream_;
  runtime::OutputFrames frames_;
  std::string container_;
  EngineMoment behind_;
  EngineMoment at_{};  // of the line that came last
};

}  // namespace drover::fleet
