#include "fleet/process_log_stream.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <utility>

#include "fleet/process_fleet_engine.h"

namespace drover::fleet {

namespace {

constexpr Millis kLookAgain{1'000};

// Of "<start>:<bytes>", of this start alone.
std::uint64_t bytes_in(std::string_view cursor, std::string_view start) {
  if (!cursor.starts_with(start) || !cursor.substr(start.size()).starts_with(':')) return 0;
  cursor.remove_prefix(start.size() + 1);
  std::uint64_t bytes = 0;
  auto const [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), bytes);
  return error == std::errc{} && end == cursor.data() + cursor.size() ? bytes : 0;
}

}  // namespace

ProcessLogStream::ProcessLogStream(runtime::ProcessBackend& backend, std::string sandbox,
                                   std::string start, LogStart const& from)
    : backend_(backend),
      sandbox_(std::move(sandbox)),
      start_(std::move(start)),
      lines_(from.cursor.empty() ? from.lines : 0),
      bytes_(bytes_in(from.cursor, start_)) {}

Task<Result<std::optional<LogBatch>>> ProcessLogStream::next() {
  if (cancelled_) co_return std::nullopt;
  auto const until = std::chrono::steady_clock::now() + kLookAgain;
  auto piece = co_await backend_.output_behind(WorkloadId::trusted(sandbox_), bytes_, until);
  // Its container was taken away.
  if (!piece && piece.error().code == ErrorCode::not_found) co_return std::nullopt;
  if (!piece) co_return std::unexpected(piece.error());
  if (cancelled_ || (piece->over && piece->text.empty() && pending_.empty()))
    co_return std::nullopt;
  bool const gap = piece->from > bytes_ && lines_ == 0;
  bytes_ = piece->from + piece->text.size();
  if (gap) pending_.clear();
  // What there was before somebody asked.
  if (lines_ > 0) piece->text = last_lines(std::move(piece->text), std::exchange(lines_, 0));
  auto batch = batch_of(piece->text, piece->over ? Rest::is_all : Rest::may_go_on);
  batch.gap = gap;
  co_return batch;
}

LogBatch ProcessLogStream::batch_of(std::string_view text, Rest rest) {
  LogBatch batch;
  pending_ += text;
  std::size_t at = 0;
  auto const take = [&](std::size_t end, std::size_t after) {
    auto const left = pending_.size() - after;
    batch.lines.push_back(
        {pending_.substr(at, end - at), {}, fmt::format("{}:{}", start_, bytes_ - left)});
    at = after;
  };
  for (auto end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n', at))
    take(end, end + 1);
  bool const whole = rest == Rest::is_all || pending_.size() - at >= runtime::kOutputTailBytes;
  if (whole && at < pending_.size()) take(pending_.size(), pending_.size());
  pending_.erase(0, at);
  return batch;
}

void ProcessLogStream::cancel() {
  cancelled_ = true;
  backend_.wake_readers(WorkloadId::trusted(sandbox_));
}

}  // namespace drover::fleet
