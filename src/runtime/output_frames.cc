#include "runtime/output_frames.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/time.h"

namespace drover::runtime {

namespace {

constexpr std::size_t kHead = 8;

bool is_head(std::string_view bytes) {
  return static_cast<unsigned char>(bytes[0]) <= 2 && bytes[1] == 0 && bytes[2] == 0 &&
         bytes[3] == 0;
}

std::size_t size_in(std::string_view head) {
  std::size_t size = 0;
  for (std::size_t i = 4; i < kHead; ++i)
    size = (size << 8U) | static_cast<unsigned char>(head[i]);
  return size;
}

// "607123456" of "…:32.607123456Z", in nine digits. WallTime has no nanoseconds.
std::string nanos_in(std::string_view at) {
  std::string digits;
  auto const point = at.find('.');
  for (std::size_t i = point; point != std::string_view::npos && ++i < at.size();)
    if (at[i] >= '0' && at[i] <= '9')
      digits += at[i];
    else
      break;
  digits.resize(9, '0');
  return digits;
}

}  // namespace

Result<std::vector<std::string>> OutputFrames::feed(std::string_view bytes) {
  pending_.append(bytes);
  std::vector<std::string> frames;
  std::size_t at = 0;
  while (pending_.size() - at >= kHead) {
    auto const left = std::string_view{pending_}.substr(at);
    if (!is_head(left))
      return fail(ErrorCode::upstream, "the container engine's output is not in its own frames");
    auto const size = size_in(left);
    if (size > kOutputFrameBytesMax)
      return fail(ErrorCode::upstream, "the container engine sent {} bytes of output at once",
                  size);
    if (left.size() - kHead < size) break;
    frames.emplace_back(left.substr(kHead, size));
    at += kHead + size;
  }
  pending_.erase(0, at);
  return frames;
}

std::string_view OutputFrames::rest() const {
  auto const begun = std::string_view{pending_};
  return begun.substr(std::min(begun.size(), kHead));
}

OutputLine parse_output_line(std::string frame) {
  OutputLine line;
  if (frame.ends_with('\n')) frame.pop_back();
  auto const end = frame.find(' ');
  auto const time = parse_rfc3339(std::string_view{frame}.substr(0, end));
  if (!time) {
    line.text = std::move(frame);
    return line;
  }
  auto const seconds = std::chrono::floor<std::chrono::seconds>(time->time_since_epoch()).count();
  line.at = frame.substr(0, end);
  line.moment = fmt::format("{:010}.{}", seconds, nanos_in(line.at));
  if (end != std::string::npos) line.text = frame.substr(end + 1);
  return line;
}

}  // namespace drover::runtime
