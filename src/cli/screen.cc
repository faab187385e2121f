#include "cli/screen.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "base/text.h"
#include "cli/layout.h"

namespace drover::cli {

namespace {

constexpr Millis kFrame{120};
constexpr std::string_view kErase = "\r\x1b[2K";
constexpr std::array<std::string_view, 10> kSpinner = {"⠋", "⠙", "⠹", "⠸", "⠼",
                                                       "⠴", "⠦", "⠧", "⠇", "⠏"};

// Unlike os::write_all this waits where stdout is non-blocking, as a parent process may have left
// it.
Status write_out(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return fail_errno("write to", fd == STDERR_FILENO ? "stderr" : "stdout");
    // Whoever reads sets the pace, however slow: a pager may stand still for hours.
    pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
    if (::poll(&wait, 1, -1) < 0 && errno != EINTR) return fail_errno("wait for", "stdout");
  }
  return {};
}

}  // namespace

std::string progress_line(Tally const& tally, Millis elapsed, std::size_t frame,
                          std::size_t columns) {
  std::string line{kSpinner[frame % kSpinner.size()]};
  line += ' ';
  line += tally.state.empty() ? "waiting for the server" : tally.state;
  // Tenths would flicker ten times a second for hours.
  line += "  " + short_duration(elapsed < Millis{10'000}
                                    ? elapsed
                                    : std::chrono::floor<std::chrono::seconds>(elapsed));
  if (tally.model_calls > 0) {
    line += "  " + counted(tally.model_calls, "call");
    line +=
        fmt::format("  {} in, {} out", short_count(tally.tokens_in), short_count(tally.tokens_out));
  }
  if (tally.cost_usd > 0) line += "  " + money(tally.cost_usd);
  // The last column stays free: some terminals wrap when it is written.
  return cut_to_width(line, columns > 1 ? columns - 1 : 1);
}

Screen::Screen(int out_fd, Style out, int err_fd, Style err)
    : out_fd_(out_fd), err_fd_(err_fd), out_(out), err_(err) {}

Screen::~Screen() {
  stop_progress();
}

void Screen::write_locked(int fd, std::string_view text) {
  auto const written = write_out(fd, text);
  if (!written && fd == out_fd_ && write_error_) write_error_ = written;
}

void Screen::print(std::string_view text) {
  if (text.empty()) return;
  std::scoped_lock const lock{mutex_};
  erase_locked();
  write_locked(out_fd_, text);
  at_line_start_ = text.back() == '\n' || text.ends_with("\n\x1b[0m");
}

void Screen::note(std::string_view line) {
  std::scoped_lock const lock{mutex_};
  erase_locked();
  std::string text;
  bool const same_terminal = out_.device == Device::terminal && err_.device == Device::terminal;
  if (!at_line_start_ && same_terminal) {
    text = "\n";
    at_line_start_ = true;
  }
  text += line;
  text += '\n';
  write_locked(err_fd_, text);
}

void Screen::report(Error const& error) {
  note(paint(err_, Paint::red, "drover: ") + terminal_safe(error.text(), Lines::flatten));
}

Status Screen::write_error() const {
  std::scoped_lock const lock{mutex_};
  return write_error_;
}

void Screen::start_progress(Clock const& clock) {
  std::scoped_lock const lock{mutex_};
  if (!err_.redraws || running_) return;
  clock_ = &clock;
  started_ = clock.boot_now();
  running_ = true;
  ticker_ = std::thread{[this] { tick(); }};
}

void Screen::set_progress(Tally const& tally) {
  std::scoped_lock const lock{mutex_};
  tally_ = tally;
}

void Screen::stop_progress() {
  {
    std::scoped_lock const lock{mutex_};
    running_ = false;
    erase_locked();
  }
  stopped_.notify_all();
  if (ticker_.joinable()) ticker_.join();
}

void Screen::tick() {
  std::unique_lock lock{mutex_};
  while (running_) {
    draw_locked();
    stopped_.wait_for(lock, kFrame, [this] { return !running_; });
  }
  erase_locked();
}

void Screen::draw_locked() {
  // Text that streams in shows by itself that something happens, and its line must stay whole.
  if (!at_line_start_ && out_.device == Device::terminal) return;
  auto const elapsed = std::chrono::duration_cast<Millis>(clock_->boot_now() - started_);
  std::string line{kErase};
  line += paint(err_, Paint::dim, progress_line(tally_, elapsed, frame_++, err_.width));
  write_locked(err_fd_, line);
  drawn_ = true;
}

void Screen::erase_locked() {
  if (!drawn_) return;
  write_locked(err_fd_, kErase);
  drawn_ = false;
}

}  // namespace drover::cli
