#pragma once
// Output of a tool, bounded for the model: short output whole; long output as its head and its
// tail, with the whole of it in a file that the model can page through with Read. Not thread-safe.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "os/fd.h"

namespace drover::agent {

struct OutputBounds {
  std::size_t head_bytes = std::size_t{16} << 10U;
  std::size_t tail_bytes = std::size_t{8} << 10U;
  std::size_t head_lines = 600;
  std::size_t tail_lines = 200;
  // What is kept on disk of one output; the rest is counted and dropped, and the text says so.
  std::uint64_t spill_bytes = std::uint64_t{64} << 20U;
};

class OutputCapture {
 public:
  // `spill_path` is created, with its folders, only when the output is long.
  explicit OutputCapture(std::string spill_path, OutputBounds bounds = {})
      : spill_path_(std::move(spill_path)), bounds_(bounds) {}

  void append(std::string_view bytes);
  // The text for the model. Valid UTF-8.
  [[nodiscard]] std::string finish();
  [[nodiscard]] std::uint64_t bytes() const { return total_bytes_; }

 private:
  void start_spill();
  void spill(std::string_view bytes);
  [[nodiscard]] std::string where() const;

  std::string spill_path_;
  OutputBounds bounds_;
  std::string kept_;  // everything while short; afterwards the head
  std::string tail_;  // at least the last tail_bytes once spilled
  os::Fd file_;
  std::string spill_error_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t total_lines_ = 0;
  std::uint64_t spilled_bytes_ = 0;
  bool long_ = false;
};

// The first and last parts of `text` with a mark between them, at most `bytes_max` in all.
[[nodiscard]] std::string head_and_tail(std::string_view text, std::size_t bytes_max);

}  // namespace drover::agent
