#pragma once
// The two outputs of a command. Data goes to stdout, words for people to stderr, and while a run is
// followed on a terminal a progress line is kept below the transcript.
// Thread-safe: the progress line has its own thread. What is printed is already safe for a
// terminal.
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/time.h"
#include "cli/style.h"
#include "cli/transcript.h"

namespace drover::cli {

class Screen {
 public:
  Screen(int out_fd, Style out, int err_fd, Style err);
  ~Screen();
  Screen(Screen const&) = delete;
  Screen& operator=(Screen const&) = delete;

  [[nodiscard]] Style const& out_style() const { return out_; }
  [[nodiscard]] Style const& err_style() const { return err_; }

  // Data for stdout. The first failed write (a full disk) is kept for write_error().
  void print(std::string_view text);
  // A line for people on stderr; the newline is added.
  void note(std::string_view line);
  // "drover: " and the error with its next step, on stderr.
  void report(Error const& error);
  [[nodiscard]] Status write_error() const;

  // Starts the progress line, where stderr can redraw one. `clock` is borrowed until stop.
  void start_progress(Clock const& clock);
  void set_progress(Tally const& tally);
  void stop_progress();

 private:
  void tick();
  void draw_locked();
  void erase_locked();
  void write_locked(int fd, std::string_view text);

  int const out_fd_;
  int const err_fd_;
  Style const out_;
  Style const err_;
  mutable std::mutex mutex_;  // guards all below and the order of writes
  std::condition_variable stopped_;
  std::thread ticker_;
  bool running_ = false;
  bool drawn_ = false;         // a progress line is on the terminal
  bool at_line_start_ = true;  // of stdout
  std::size_t frame_ = 0;
  Tally tally_;
  Clock const* clock_ = nullptr;
  BootTime started_;
  Status write_error_;
};

// "⠙ running  12.3 s  3 calls  1.2k in, 456 out  $0.01"; `columns` bounds it.
[[nodiscard]] std::string progress_line(Tally const& tally, Millis elapsed, std::size_t frame,
                                        std::size_t columns);

}  // namespace drover::cli
