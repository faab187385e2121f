#pragma once
// One program in a sandbox, from its start to its end, with what it printed. Blocking; whoever runs
// several has a thread for each.
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "sandbox/launcher.h"

namespace drover::driver {

// Of each stream, at its beginning and at its end; what is between them is counted.
inline constexpr std::size_t kOutputHeadBytes = std::size_t{64} << 10U;
inline constexpr std::size_t kOutputTailBytes = std::size_t{192} << 10U;

// What a stream said, bounded. Pure.
class CapturedOutput {
 public:
  void add(std::string_view bytes);
  // As UTF-8, with a line in the place of what was left out.
  [[nodiscard]] std::string text() const;

 private:
  std::string head_;
  std::string tail_;  // of up to twice its size, so that it is cut now and then and not always
  std::uint64_t left_out_ = 0;
};

enum class CommandHow : std::uint8_t { exited, timed_out, stopped };
struct CommandEnd {
  CommandHow how = CommandHow::exited;
  std::int64_t exit_code = 0;  // 128 + signal where a signal ended it
  bool out_of_memory = false;
  CapturedOutput out{};
  CapturedOutput err{};
};

// `stop_fd` readable: it is killed. `created` as Launcher's. The streams of `spec` are set here.
[[nodiscard]] Result<CommandEnd> run_command(sandbox::Launcher& launcher, sandbox::SandboxSpec spec,
                                             Millis timeout, int stop_fd,
                                             sandbox::Launcher::Created const& created);

}  // namespace drover::driver
