#include "gateway/mcp_launch.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "base/text.h"
#include "sandbox/inside_path.h"

namespace drover::gateway {

namespace {

constexpr std::string_view kNobody = "nobody";

bool is_program(std::string const& path) {
  return ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

Result<McpUser> mcp_user(McpServer const& server, uid_t own_uid) {
  if (own_uid != 0) {
    if (server.user.empty()) return McpUser{};
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("/mcp/{}/user: only a server that runs as root can start a "
                                 "program as somebody else",
                                 server.name),
                     "leave it out; the program runs as the server's own user");
  }
  std::string const name = server.user.empty() ? std::string{kNobody} : server.user;
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr)
    return fail(ErrorCode::invalid_argument, "/mcp/{}/user: there is no user '{}' here",
                server.name, printable(name, 80));
  return McpUser{.changes = true, .uid = entry.pw_uid, .gid = entry.pw_gid};
}

Status check_mcp_command(McpServer const& server) {
  std::string const& program = server.command.front();
  if (program.find('/') != std::string::npos) {
    if (is_program(program)) return {};
  } else {
    for (std::string_view const folder : split(sandbox::kPathInside, ':'))
      if (is_program(fmt::format("{}/{}", folder, program))) return {};
  }
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("/mcp/{}/command: there is no program '{}'", server.name,
                               printable(program, 200)),
                   fmt::format("install it, or give its absolute path; without one it is looked "
                               "for in {}",
                               sandbox::kPathInside));
}

// The outer setpriv ties the whole to the thread that starts it; unshare's child is the init of the
// namespace, so that its end is the end of all.
os::ProcessSpec mcp_process_spec(McpServer const& server, McpSecrets const& secrets,
                                 McpUser const& user) {
  os::ProcessSpec spec;
  spec.argv = {"setpriv", "--pdeathsig", "KILL", "unshare"};
  if (!user.changes) spec.argv.insert(spec.argv.end(), {"--user", "--map-current-user"});
  spec.argv.insert(spec.argv.end(), {"--mount", "--pid", "--fork", "--kill-child=KILL",
                                     "--mount-proc", "--", "setpriv"});
  if (user.changes)
    spec.argv.insert(spec.argv.end(), {fmt::format("--reuid={}", user.uid),
                                       fmt::format("--regid={}", user.gid), "--clear-groups"});
  spec.argv.insert(spec.argv.end(), {"--no-new-privs", "--inh-caps=-all", "--bounding-set=-all",
                                     "--pdeathsig", "KILL", "--"});
  spec.argv.insert(spec.argv.end(), server.command.begin(), server.command.end());
  spec.env = {fmt::format("PATH={}", sandbox::kPathInside), "LANG=C.UTF-8", "HOME=/nonexistent",
              "TMPDIR=/tmp"};
  for (McpVariable const& variable : server.env) {
    std::string const start = variable.name + "=";
    std::erase_if(spec.env, [&](std::string const& line) { return line.starts_with(start); });
    auto const secret = secrets.find(variable.name);
    spec.env.push_back(start + (secret == secrets.end() ? variable.text : secret->second.reveal()));
  }
  spec.cwd = "/";
  return spec;
}

}  // namespace drover::gateway
