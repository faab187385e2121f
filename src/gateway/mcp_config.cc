#include "gateway/mcp_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "gateway/config_fields.h"
#include "gateway/gateway_config.h"

namespace drover::gateway {

namespace {

constexpr std::int64_t kSessionsMaxMax = 1'000;
constexpr std::size_t kVariablesMax = 64;
constexpr std::size_t kToolsMax = 256;

bool is_variable_name(std::string_view name) {
  bool const plain = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  return plain && !name.empty() && name.size() <= 128 && !(name[0] >= '0' && name[0] <= '9');
}

Result<std::vector<McpVariable>> variables_of(JsonObject const& object) {
  std::vector<McpVariable> variables;
  auto const table = table_of(object, "env", kVariablesMax);
  if (!table) return std::unexpected(table.error());
  if (!*table) return variables;
  for (auto const& member : (*table)->raw()) {
    McpVariable variable;
    variable.name = member.key();
    if (!is_variable_name(variable.name))
      return fail(ErrorCode::invalid_argument, "{}: '{}' is no name of a variable",
                  object.pointer_to("env"), printable(variable.name, 80));
    if (member.value().is_string()) {
      variable.text = member.value().get_string();
    } else {
      auto source = key_source(**table, variable.name);
      if (!source) return std::unexpected(source.error());
      variable.source = *std::move(source);
    }
    if (variable.text.find('\0') != std::string::npos)
      return fail(ErrorCode::invalid_argument, "{}: it holds a NUL",
                  (*table)->pointer_to(variable.name));
    variables.push_back(std::move(variable));
  }
  return variables;
}

Result<McpTimeouts> timeouts_of(JsonObject const& object) {
  McpTimeouts timeouts;
  DROVER_TRY(read_seconds(object, "approval_timeout_s", timeouts.approval));
  auto const table = table_of(object, "timeouts", 16);
  if (!table) return std::unexpected(table.error());
  if (*table) {
    DROVER_TRY(only(**table, {"start_s", "call_s", "idle_s"}));
    DROVER_TRY(read_seconds(**table, "start_s", timeouts.start));
    DROVER_TRY(read_seconds(**table, "call_s", timeouts.call));
    DROVER_TRY(read_seconds(**table, "idle_s", timeouts.idle));
  }
  for (Millis const time : {timeouts.start, timeouts.call, timeouts.idle, timeouts.approval})
    if (time <= Millis{0})
      return fail(ErrorCode::invalid_argument, "{}: every time is more than 0 seconds",
                  object.pointer_to("timeouts"));
  return timeouts;
}

Status read_command(JsonObject const& object, McpServer& server) {
  DROVER_TRY(only(object, {"command", "env", "user", "tools", "timeouts", "approval_timeout_s",
                           "sessions_at_once"}));
  auto command = texts(object, "command");
  if (!command) return std::unexpected(command.error());
  if (command->empty() || command->front().empty())
    return fail(ErrorCode::invalid_argument, "{}: expected a program and its arguments",
                object.pointer_to("command"));
  server.command = *std::move(command);
  auto variables = variables_of(object);
  if (!variables) return std::unexpected(variables.error());
  server.env = *std::move(variables);
  auto user = object.optional_string("user");
  if (!user) return std::unexpected(user.error());
  server.user = std::move(*user).value_or("");
  return {};
}

Status read_address(JsonObject const& object, McpServer& server) {
  DROVER_TRY(only(object, {"url", "key", "auth", "ca_file", "tools", "timeouts",
                           "approval_timeout_s", "sessions_at_once"}));
  auto const address = object.string("url");
  if (!address) return std::unexpected(address.error());
  auto url = parse_base_url(*address);
  if (!url)
    return fail(ErrorCode::invalid_argument, "{}: {}", object.pointer_to("url"),
                url.error().message);
  server.url = *std::move(url);
  auto key = key_source(object, "key");
  if (!key) return std::unexpected(key.error());
  server.key = *std::move(key);
  auto const auth = object.optional_string("auth");
  if (!auth) return std::unexpected(auth.error());
  auto const header = parse_key_header(auth->value_or("bearer"));
  if (!header)
    return fail(ErrorCode::invalid_argument, "{}: {}", object.pointer_to("auth"),
                header.error().message);
  server.key_header = *header;
  auto const ca_file = object.optional_string("ca_file");
  if (!ca_file) return std::unexpected(ca_file.error());
  server.ca_file = ca_file->value_or("");
  return {};
}

Result<McpServer> server_of(std::string name, JsonObject const& object) {
  McpServer server;
  server.name = std::move(name);
  bool const is_command = object.find("command") != nullptr;
  if (is_command == (object.find("url") != nullptr))
    return fail(ErrorCode::invalid_argument, "/mcp/{}: expected a command or a url", server.name);
  if (is_command) {
    DROVER_TRY(read_command(object, server));
  } else {
    DROVER_TRY(read_address(object, server));
  }
  auto tools = texts(object, "tools");
  if (!tools) return std::unexpected(tools.error());
  if (tools->size() > kToolsMax)
    return fail(ErrorCode::invalid_argument, "{}: at most {} tools", object.pointer_to("tools"),
                kToolsMax);
  if (object.find("tools") != nullptr) server.tools = *std::move(tools);
  auto const timeouts = timeouts_of(object);
  if (!timeouts) return std::unexpected(timeouts.error());
  server.timeouts = *timeouts;
  auto const sessions = number_from_one(
      object, "sessions_at_once", static_cast<std::int64_t>(server.sessions_max), kSessionsMaxMax);
  if (!sessions) return std::unexpected(sessions.error());
  server.sessions_max = static_cast<std::size_t>(*sessions);
  return server;
}

}  // namespace

bool McpServer::allows(std::string_view tool) const {
  return !tools || std::ranges::find(*tools, tool) != tools->end();
}

Result<McpServers> mcp_servers_of(JsonObject const& root) {
  McpServers servers;
  auto const table = table_of(root, "mcp", kMcpServersMax);
  if (!table) return std::unexpected(table.error());
  if (!*table) return servers;
  for (auto const& member : (*table)->raw()) {
    std::string name{member.key()};
    if (!is_config_name(name))
      return fail(ErrorCode::invalid_argument,
                  "/mcp: '{}' is no name: small letters, digits and '-'", printable(name, 80));
    if (name == kOwnMcpServer)
      return fail_next(ErrorCode::invalid_argument, fmt::format("/mcp: '{}' is drover's own", name),
                       "give it another name");
    auto const object = (*table)->object(name);
    if (!object) return std::unexpected(object.error());
    auto server = server_of(name, *object);
    if (!server) return std::unexpected(server.error());
    servers.emplace(std::move(name), *std::move(server));
  }
  return servers;
}

}  // namespace drover::gateway
