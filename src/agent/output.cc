#include "agent/output.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "os/files.h"

namespace drover::agent {

namespace {

std::string folder_of(std::string const& path) {
  auto const slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

// The longest prefix of at most `lines_max` lines.
std::string_view first_lines(std::string_view text, std::size_t lines_max) {
  std::size_t at = 0;
  for (std::size_t line = 0; line < lines_max; ++line) {
    auto const end = text.find('\n', at);
    if (end == std::string_view::npos) return text;
    at = end + 1;
  }
  return text.substr(0, at);
}

std::string_view last_lines(std::string_view text, std::size_t lines_max) {
  std::size_t at = text.size();
  if (text.ends_with('\n')) --at;
  for (std::size_t line = 0; line < lines_max; ++line) {
    if (at == 0) return text;
    auto const newline = text.rfind('\n', at - 1);
    if (newline == std::string_view::npos) return text;
    at = newline;
  }
  return text.substr(at + 1);
}

// Starts at a character, not inside one.
std::string_view utf8_suffix(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  text.remove_prefix(text.size() - bytes_max);
  for (int i = 0; i < 3 && !text.empty(); ++i) {
    if ((static_cast<unsigned char>(text.front()) & 0xC0U) != 0x80U) break;
    text.remove_prefix(1);
  }
  return text;
}

}  // namespace

void OutputCapture::append(std::string_view bytes) {
  total_bytes_ += bytes.size();
  total_lines_ += static_cast<std::uint64_t>(std::ranges::count(bytes, '\n'));
  if (!long_) {
    kept_ += bytes;
    if (kept_.size() > bounds_.head_bytes + bounds_.tail_bytes ||
        total_lines_ > bounds_.head_lines + bounds_.tail_lines)
      start_spill();
    return;
  }
  spill(bytes);
  tail_ += bytes;
  // Trimmed at twice its size, so that a byte is moved at most once.
  if (tail_.size() > 2 * bounds_.tail_bytes) tail_.erase(0, tail_.size() - bounds_.tail_bytes);
}

void OutputCapture::start_spill() {
  long_ = true;
  auto made = os::make_folders(folder_of(spill_path_), 0755);
  if (made) {
    file_ = os::Fd{::open(spill_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (!file_.valid()) made = fail_errno("create", spill_path_);
  }
  if (!made) spill_error_ = made.error().message;
  spill(kept_);
  std::string_view const head =
      first_lines(utf8_prefix(kept_, bounds_.head_bytes), bounds_.head_lines);
  tail_ = kept_.substr(head.size());
  kept_.resize(head.size());
}

void OutputCapture::spill(std::string_view bytes) {
  if (!file_.valid()) return;
  bytes = bytes.substr(0, bounds_.spill_bytes - spilled_bytes_);
  auto const written = os::write_all(file_.get(), bytes, spill_path_);
  if (written) {
    spilled_bytes_ += bytes.size();
    return;
  }
  spill_error_ = written.error().message;
  file_.reset();
}

std::string OutputCapture::where() const {
  if (!spill_error_.empty())
    return fmt::format("the rest could not be kept: {}", printable(spill_error_));
  if (spilled_bytes_ < total_bytes_)
    return fmt::format("the first {} bytes are in {}; read them with Read, offset and limit",
                       spilled_bytes_, spill_path_);
  return fmt::format("the whole output is in {}; read it with Read, offset and limit", spill_path_);
}

std::string OutputCapture::finish() {
  if (!long_) return to_utf8(kept_);
  std::string_view const tail =
      last_lines(utf8_suffix(tail_, bounds_.tail_bytes), bounds_.tail_lines);
  return fmt::format("{}\n[... {} bytes of {} left out here ({} lines in all); {} ...]\n{}",
                     to_utf8(kept_), total_bytes_ - kept_.size() - tail.size(), total_bytes_,
                     total_lines_, where(), to_utf8(tail));
}

std::string head_and_tail(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string{text};
  constexpr std::string_view kMark = "\n[...]\n";
  std::size_t const half = (bytes_max - std::min(bytes_max, kMark.size())) / 2;
  return fmt::format("{}{}{}", utf8_prefix(text, half), kMark, utf8_suffix(text, half));
}

}  // namespace drover::agent
