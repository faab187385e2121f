#pragma once
// A container's output as an engine sends it: a frame for each message, whose head is a byte that
// says which stream, three zeros, and the length in four bytes, the highest first. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover::runtime {

// Engines cut longer messages themselves.
inline constexpr std::size_t kOutputFrameBytesMax = std::size_t{1} << 20U;

// Takes the frames out of a stream, whatever pieces it comes in: untrusted text. upstream for what
// is in no frame or in one that is too long; nothing can be read behind that.
class OutputFrames {
 public:
  [[nodiscard]] Result<std::vector<std::string>> feed(std::string_view bytes);
  // Of the frame that has begun and is cut off.
  [[nodiscard]] std::string_view rest() const;

 private:
  std::string pending_;
};

// One message with the engine's time before it.
struct OutputLine {
  std::string at{};      // as the engine writes it; empty where there is none
  std::string moment{};  // the same as seconds and nine digits of Unix time, which compare as text
  std::string text{};    // without its line break
};
[[nodiscard]] OutputLine parse_output_line(std::string frame);

}  // namespace drover::runtime
