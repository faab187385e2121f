#pragma once
// What an effect asks of whoever carries it out, read from its definition. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"

namespace drover::driver {

// Who carries out effects of a kind.
enum class Carrier : std::uint8_t {
  engine,   // timers and signals: the run itself, see execution.h
  command,  // shell and node: a program in a sandbox
  agent,    // a dispatched run
  person,   // a breakpoint
  child,    // another workflow run
  outside,  // nobody here: whoever watches the run posts the result
};
[[nodiscard]] Carrier carrier_of(std::string_view kind);

enum class FolderAccess : std::uint8_t { none, ro, rw };

// A program in a sandbox without network.
struct CommandWork {
  enum class Kind : std::uint8_t { shell, node };
  // What happens when it had begun and nobody knows how it ended.
  enum class Lost : std::uint8_t {
    fails,   // the effect fails with an EffectLostError, which `retry` of the call sees
    repeat,  // the definition says that it is idempotent: it is begun again
  };
  Kind kind = Kind::shell;
  std::string program{};            // of a shell: the command; of a node: the file
  std::vector<std::string> args{};  // a shell's become "$@" of its command, "$0" being "sh"
  std::vector<std::string> env{};   // NAME=value
  std::string cwd{};                // in the run's working folder, or absolute; empty: that folder
  Millis timeout{15 * 60'000};      // as the SDK's
  std::int64_t expected_exit = 0;   // of a shell that succeeds
  FolderAccess folder = FolderAccess::rw;  // to the run's working folder
  FolderAccess git = FolderAccess::ro;     // to its .git
  std::optional<std::int64_t> memory_mb{};
  std::optional<std::int64_t> pids{};
  std::optional<double> cpu{};
  Lost lost = Lost::fails;
};

inline constexpr Millis kCommandTimeoutMax{24 * 3'600'000};

// Whether a definition says what to run. Without that the effect is for whoever gave it its
// meaning.
[[nodiscard]] bool names_a_command(std::string_view kind, json::value const& definition);

// invalid_argument with the pointer of what does not fit. What a definition has beside the members
// that are read is somebody else's, and passed over; inside `sandbox` it is refused.
[[nodiscard]] Result<CommandWork> parse_command_work(std::string_view kind,
                                                     json::value const& definition);

}  // namespace drover::driver
