#pragma once
// One tool of the native loop. Names, arguments and results follow Claude's tools, so that models
// know them. A tool never fails the turn: whatever goes wrong is a result that the model reads.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/ports.h"
#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "model/messages.h"

namespace drover::agent {

// What a tool may use. `waiter` belongs to the loop's thread: read-only tools, which run beside
// each other on threads of their own, look at `stop` instead.
struct ToolScope {
  std::string const* cwd = nullptr;  // absolute
  std::string spill_path;
  Waiter* waiter = nullptr;
  Clock const* clock = nullptr;
  std::atomic<bool> const* stop = nullptr;
  std::string new_cwd;  // where the tool leaves the agent; empty: where it was
};

struct ToolReply {
  model::ToolOutcome outcome = model::ToolOutcome::ok;
  std::string text;                      // bounded by the tool
  std::vector<Question> questions = {};  // to the user; they end the turn
};
[[nodiscard]] inline ToolReply tool_ok(std::string text) {
  return {.outcome = model::ToolOutcome::ok, .text = std::move(text)};
}
[[nodiscard]] inline ToolReply tool_error(std::string text) {
  return {.outcome = model::ToolOutcome::error, .text = std::move(text)};
}

// read_only: without effects, may run beside others and may be run again after a crash.
enum class ToolKind : std::uint8_t { read_only, with_effects };

class Tool {
 public:
  virtual ~Tool() = default;
  [[nodiscard]] virtual model::ToolSpec const& spec() const = 0;
  [[nodiscard]] virtual ToolKind kind() const = 0;
  [[nodiscard]] virtual ToolReply run(JsonObject const& input, ToolScope& scope) = 0;
};

using Tools = std::vector<std::unique_ptr<Tool>>;

// The built-in tools of these names, in this order. An unknown name is an error that lists all.
[[nodiscard]] Result<Tools> make_tools(std::vector<std::string> const& names);

[[nodiscard]] std::unique_ptr<Tool> make_read_tool();
[[nodiscard]] std::unique_ptr<Tool> make_write_tool();
[[nodiscard]] std::unique_ptr<Tool> make_edit_tool();
[[nodiscard]] std::unique_ptr<Tool> make_bash_tool();
[[nodiscard]] std::unique_ptr<Tool> make_glob_tool();
[[nodiscard]] std::unique_ptr<Tool> make_grep_tool();
[[nodiscard]] std::unique_ptr<Tool> make_ask_tool();

// The names of all.
[[nodiscard]] std::vector<std::string> const& tool_names();

// `path` itself where absolute, else below the working folder; without "." and "..".
[[nodiscard]] std::string resolve_path(std::string_view path, std::string_view cwd);
// The arguments do not fit: names the member and what was expected.
[[nodiscard]] ToolReply bad_arguments(Error const& error);

}  // namespace drover::agent
