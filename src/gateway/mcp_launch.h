#pragma once
// How a program of `[mcp.NAME]` is started: in a process namespace of its own, without privileges,
// so that it ends with the server, sees no other program's memory or environment, and leaves no
// child behind.
#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "gateway/mcp_config.h"
#include "os/process.h"

namespace drover::gateway {

using McpSecrets = std::map<std::string, Secret, std::less<>>;  // by variable; "" is the key

struct McpUser {
  bool changes = false;  // the server is root and gives that up for the program
  uid_t uid = 0;
  gid_t gid = 0;
};

// Who runs it. invalid_argument for a user that is not there, or that only root may become.
[[nodiscard]] Result<McpUser> mcp_user(McpServer const& server, uid_t own_uid);
// Whether the program is there. Looks at the disk.
[[nodiscard]] Status check_mcp_command(McpServer const& server);
// Pure.
[[nodiscard]] os::ProcessSpec mcp_process_spec(McpServer const& server, McpSecrets const& secrets,
                                               McpUser const& user);

}  // namespace drover::gateway
