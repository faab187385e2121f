#pragma once
// Runs a program for a test, on pipes or on a terminal of its own, and collects what it prints.
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "os/fd.h"

namespace drover::cli {

struct ProcessResult {
  int exit_code = -1;  // 128 + signal where one ended it
  std::string out;
  std::string err;  // empty on a terminal, where both are one
};

enum class Wiring : std::uint8_t { pipes, terminal };

struct ProcessOptions {
  std::vector<std::string> arguments;    // the program first
  std::vector<std::string> environment;  // "NAME=value"; nothing else is inherited
  std::string input;                     // stdin on pipes
  Wiring wiring = Wiring::pipes;
};

class TestProcess {
 public:
  explicit TestProcess(ProcessOptions const& options);
  ~TestProcess();  // kills it where it still runs
  TestProcess(TestProcess const&) = delete;
  TestProcess& operator=(TestProcess const&) = delete;

  // Reads until stdout holds `text`, at most `deadline`.
  [[nodiscard]] bool wait_for_output(std::string_view text, Millis deadline = Millis{10'000});
  void signal(int signal_number) const;
  // On a terminal: what a person types.
  void type(std::string_view text) const;
  // Collects the rest and the exit code; kills the program at the deadline.
  [[nodiscard]] ProcessResult finish(Millis deadline = Millis{20'000});

 private:
  bool read_some(Millis deadline);  // false: all outputs have ended, or nothing came in time
  pid_t pid_ = -1;
  os::Fd out_;
  os::Fd err_;
  ProcessResult result_;
};

}  // namespace drover::cli
