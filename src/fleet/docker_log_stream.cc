#include "fleet/docker_log_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace drover::fleet {

namespace {

std::string prefix_of(std::string_view container) {
  constexpr std::size_t kIdShown = 12;
  return fmt::format("{}/", container.substr(0, kIdShown));
}

}  // namespace

std::optional<EngineMoment> parse_engine_moment(std::string_view cursor,
                                                std::string_view container) {
  std::string const whose = prefix_of(container);
  if (!cursor.starts_with(whose)) return std::nullopt;
  cursor.remove_prefix(whose.size());
  constexpr std::size_t kSeconds = 10;
  constexpr std::size_t kMoment = kSeconds + 1 + 9;
  auto const digits = [](std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  if (cursor.size() < kMoment + 2 || cursor[kSeconds] != '.' || cursor[kMoment] != ':' ||
      !digits(cursor.substr(0, kSeconds)) ||
      !digits(cursor.substr(kSeconds + 1, kMoment - kSeconds - 1)))
    return std::nullopt;
  EngineMoment at;
  at.moment = cursor.substr(0, kMoment);
  auto const count = cursor.substr(kMoment + 1);
  auto const [end, error] = std::from_chars(count.data(), count.data() + count.size(), at.count);
  if (error != std::errc{} || end != count.data() + count.size()) return std::nullopt;
  return at;
}

Task<Result<std::optional<LogBatch>>> DockerLogStream::next() {
  auto const piece = co_await stream_->read();
  if (!piece) co_return std::unexpected(piece.error());
  if (!*piece) co_return std::nullopt;
  auto frames = frames_.feed(**piece);
  if (!frames) co_return std::unexpected(frames.error());
  co_return batch_of(*std::move(frames));
}

LogBatch DockerLogStream::batch_of(std::vector<std::string> frames) {
  LogBatch batch;
  for (auto& frame : frames) {
    auto line = runtime::parse_output_line(std::move(frame));
    at_.count = line.moment == at_.moment ? at_.count + 1 : 1;
    at_.moment = line.moment;
    // An engine is asked for whole seconds.
    bool const seen =
        at_.moment < behind_.moment || (at_.moment == behind_.moment && at_.count <= behind_.count);
    if (seen) continue;
    std::string cursor;
    if (!at_.moment.empty())
      cursor = fmt::format("{}{}:{}", prefix_of(container_), at_.moment, at_.count);
    batch.lines.push_back({std::move(line.text), std::move(line.at), std::move(cursor)});
  }
  return batch;
}

}  // namespace drover::fleet
