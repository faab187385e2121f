#pragma once
// Tools of MCP servers outside, as the loop offers them: named `mcp__<server>__<tool>`, run by
// asking whoever reaches the server. One thread.
#include <string>
#include <string_view>
#include <vector>

#include "agent/ports.h"
#include "agent/tool.h"
#include "base/error.h"
#include "base/json.h"

namespace drover::agent {

// One question to a server; its `result`. An error says what the server, or who is between,
// answered; cancelled when the waiter was interrupted.
class McpPort {
 public:
  virtual ~McpPort() = default;
  virtual Result<json::value> ask(std::string_view server, std::string_view method,
                                  json::object const& params) = 0;
};

struct McpTools {
  Tools tools;
  std::vector<std::string> left_out;  // a sentence each, for whoever reads the run
};

// What `tools/list` of the server says, as tools. `port` outlives them. Pure but for that.
[[nodiscard]] McpTools make_mcp_tools(McpPort& port, std::string const& server,
                                      json::value const& listed);

}  // namespace drover::agent
