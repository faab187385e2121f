#pragma once
// What `run` and `send` send: the prompt read and checked, the model resolved, the unit.v1
// invocation built. Pure but for reading stdin and looking whether files exist.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "cli/command_line.h"
#include "cli/style.h"

namespace drover::cli {

inline constexpr std::size_t kPromptBytesMax = std::size_t{10} << 20U;
inline constexpr std::size_t kPayloadBytesMax = std::size_t{10} << 20U;

// "-" reads `stdin_fd`. Refuses an empty prompt, more than kPromptBytesMax, and what is not UTF-8.
[[nodiscard]] Result<std::string> read_prompt(std::string const& argument, int stdin_fd);

// "scripted:FILE" gets an absolute path, because the server has another working directory.
[[nodiscard]] Result<std::string> resolve_model(std::string const& model);

// JSON, or "@FILE" that holds it; refuses what is neither, and more than kPayloadBytesMax.
[[nodiscard]] Result<std::string> read_payload(std::string const& argument);

// The user's name as a slug: the subject of an invocation.
[[nodiscard]] std::string subject_of(Environment const& environment);

struct GrantedWorkspace {
  WorkspaceId id;
  Access access = Access::read_write;
  Checkout checkout = Checkout::in_place;
};

// `command` with its prompt, model and payload resolved.
[[nodiscard]] json::object make_invocation(RunCommand const& command,
                                           std::vector<GrantedWorkspace> const& workspaces,
                                           std::string_view subject);
// The body of POST /sessions/{session}/messages.
[[nodiscard]] json::object make_message(SendCommand const& command);

}  // namespace drover::cli
