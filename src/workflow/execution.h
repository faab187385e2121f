#pragma once
// A process that runs: its host, its replay, and what it waits for. Stays in memory over any number
// of passes, so that a step costs what the step is; after a restart the replay brings it back.
//
// A pass gives the process what has ended since, lets it run until it rests, and writes down what
// it asks for. Effects that drover asked for end in the order of the journal, one at a time; those
// of another tool were given to the process as soon as it asked, and so they are here.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "workflow/host.h"
#include "workflow/host_process.h"
#include "workflow/open_run.h"
#include "workflow/process_log.h"
#include "workflow/replay.h"

namespace drover::workflow {

enum class Rest : std::uint8_t { waiting, completed, failed, halted, continued };

// An effect that the process waits for.
struct PendingAction {
  std::string effect_id;
  json::value definition;  // as the process described it, or its task.json
};

struct Pass {
  Rest rest = Rest::waiting;
  std::vector<PendingAction> actions{};  // of a waiting one, in the order in which it asked
  json::value output{};                  // of a completed one
  json::value error{};                   // of a failed one: {name, message, stack}
  json::value payload{};                 // of a halted one; the inputs of a continued one
  std::string reason{};                  // of a halted one
  std::vector<std::string> unused{};     // effects of the journal that the process did not ask for
};

class Execution {
 public:
  // Starts the host with the run's process. `entry` is an absolute path.
  [[nodiscard]] static Result<Execution> start(OpenRun const& run, HostSpec const& spec);

  // A conflict: the process contradicts the journal, and has asked for nothing new.
  [[nodiscard]] Result<Pass> pass(OpenRun& run);
  // Asks a process that rests.
  [[nodiscard]] Result<json::value> query(std::string_view name, json::value const& arguments);

 private:
  struct Ask {
    Call call;
    std::string effect_id;  // empty: not in the journal yet
    std::string step_id;
    std::string key;
    std::optional<std::int64_t> until_ms;
    std::string signal;      // of a signal: its name
    json::value definition;  // of a new one, once the process described it
  };
  struct Elapsed {
    std::uint64_t n = 0;
    std::string at;  // when that was recorded; empty: it was not
  };

  Execution(std::unique_ptr<Host> host, Millis step, Generation generation, std::string process_id);

  [[nodiscard]] Result<json::object> hear();
  [[nodiscard]] Result<bool> try_turn(OpenRun& run, json::object const& turn);
  [[nodiscard]] Result<bool> take_turn(OpenRun& run, json::object const& turn);
  [[nodiscard]] Status take_definitions(OpenRun& run, json::array const& definitions);
  [[nodiscard]] Status take_cancels(OpenRun& run, json::array const& cancels);
  [[nodiscard]] Status take_ask(OpenRun& run, json::object const& ask);
  [[nodiscard]] Status take_sleep(OpenRun& run, std::uint64_t n, Ask ask);
  [[nodiscard]] Status look_up(OpenRun& run, std::uint64_t n, Ask ask);
  [[nodiscard]] Result<json::value> recall(OpenRun& run, json::object const& wanted);
  [[nodiscard]] Status note_ended(History const& history, std::uint64_t n, Ask const& ask);
  [[nodiscard]] Result<json::array> deliver(OpenRun& run);
  [[nodiscard]] Result<json::object> delivery(OpenRun& run, std::uint64_t n);
  [[nodiscard]] Status check_caught_up(History const& history);
  [[nodiscard]] json::array announce_new();
  [[nodiscard]] Result<bool> end_what_is_due(OpenRun& run);
  [[nodiscard]] Result<std::optional<Pass>> ended(OpenRun& run) const;
  [[nodiscard]] Result<Pass> resting(OpenRun& run) const;
  [[nodiscard]] Status locate(Error error, std::uint64_t n);
  void refresh(History const& history);

  std::unique_ptr<Host> host_;
  Millis step_;  // the most time from one rest to the next
  Generation generation_;
  std::string process_id_;
  std::optional<Replay> replay_;                             // made with the first pass
  std::map<std::uint64_t, Ask> open_;                        // without an end given to the process
  std::set<std::pair<std::uint64_t, std::uint64_t>> ready_;  // (seq of the end, n)
  std::set<std::uint64_t> at_once_;              // ended, and to be given at the next rest
  std::vector<Elapsed> elapsed_;                 // sleeps that were over when asked for
  std::vector<std::uint64_t> fresh_;             // to be described by the process
  std::map<std::string, std::uint64_t> sleeps_;  // how often each time was slept until
  std::string last_effect_id_;
  ProcessLog log_;
  json::object done_;     // what the process came to; empty: nothing yet
  bool resting_ = false;  // the host waits for a reply
};

}  // namespace drover::workflow
