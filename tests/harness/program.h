#pragma once
// Runs a program on pipes and collects what it prints. Throws std::runtime_error when it cannot be
// started. Not thread-safe.
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "os/fd.h"
#include "os/process.h"

namespace drover::harness {

struct Outcome {
  int exit_code =
      -1;  // 128 + signal where one ended it; -1 when it had to be killed at the deadline
  std::string out;
  std::string err;

  // One JSON object a line, as --json prints them.
  [[nodiscard]] std::vector<json::object> lines() const;
  [[nodiscard]] std::string text() const;  // all of it, for the message of a failed expectation
};

struct ProgramOptions {
  std::vector<std::string> arguments;    // the program first
  std::vector<std::string> environment;  // complete
  std::string folder;                    // to start in
  std::string input;                     // what it reads from stdin, of any size
};

// Killed and reaped with the object.
class Program {
 public:
  explicit Program(ProgramOptions const& options);

  [[nodiscard]] pid_t pid() const { return process_.pid(); }
  void signal(int number);
  [[nodiscard]] bool ended();
  // Reads until stdout or stderr holds `text`.
  [[nodiscard]] bool prints(std::string_view text, Millis deadline = Millis{10'000});
  // What has been read of its stdout so far.
  [[nodiscard]] std::string const& printed() const { return outcome_.out; }
  [[nodiscard]] Outcome finish(Millis deadline = Millis{20'000});

 private:
  bool read_some(Millis wait);
  os::Fd out_;
  os::Fd err_;
  Outcome outcome_;
  os::Process process_;
};

[[nodiscard]] Outcome run_program(ProgramOptions const& options, Millis deadline = Millis{20'000});

}  // namespace drover::harness
