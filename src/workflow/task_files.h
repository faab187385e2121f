#pragma once
// tasks/<effectId>/: what an effect asks for (task.json) and how it ended (result.json). The first
// is written before the journal says that the effect was asked for, the second before it says that
// it ended. Values over 1 MiB lie beside them in blobs/. Blocking.
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "workflow/event.h"
#include "workflow/history.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

struct NewTask {
  std::string effect_id;
  std::string task_id;
  std::string key;
  std::string step_id;
  json::object definition;            // {kind, title?, labels?, metadata?, …}
  std::optional<json::value> inputs;  // nullopt: undefined
};
struct TaskRefs {
  std::string task;
  std::string inputs;  // empty: they are in task.json
};
[[nodiscard]] Result<TaskRefs> write_task(RunFolder const& run, Writer writer, NewTask const& task);

enum class Outcome : std::uint8_t { ok, error, cancelled };
// What the error of a shell is to the process: the format has a failed command as a result, and one
// that was never carried out, or whose end nobody knows, is none.
enum class ShellError : std::uint8_t { as_result, thrown };
struct TaskResult {
  Outcome outcome = Outcome::ok;
  ShellError shell_error = ShellError::as_result;
  std::optional<json::value> value;  // of an ok one
  json::value error;                 // of an error: {name, message, stack?, data?}
  std::string reason;                // of a cancelled one
  std::optional<std::string> out;    // texts to be written beside
  std::optional<std::string> err;
  std::string out_ref;  // or where they are
  std::string err_ref;
  std::string started_at;
  std::string finished_at;
  std::optional<json::object> metadata;
  std::uint64_t signal_seq = 0;  // of the signal that it is; 0: none
};
struct ResultRefs {
  std::string result;
  std::string out;  // empty: none
  std::string err;
};
[[nodiscard]] Result<ResultRefs> write_result(RunFolder const& run, Writer writer,
                                              Effect const& effect, TaskResult const& result);

// nullopt: there is none.
[[nodiscard]] Result<std::optional<json::value>> read_task(RunFolder const& run,
                                                           std::string const& effect_id);
[[nodiscard]] Result<std::optional<json::value>> read_result(RunFolder const& run,
                                                             Effect const& effect);

// What the process is given for an effect that ended.
struct Given {
  Outcome outcome = Outcome::ok;
  json::value value;  // of an ok one
  json::value error;  // of another
};
// data_corrupt: the journal says that it ended, and its result is not there.
[[nodiscard]] Result<Given> read_given(RunFolder const& run, Effect const& effect);
// The arguments of an effect, out of its task.json; nullopt: undefined, or no task.json.
[[nodiscard]] Result<std::optional<json::value>> read_inputs(RunFolder const& run,
                                                             Effect const& effect);

}  // namespace drover::workflow
