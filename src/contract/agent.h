#pragma once
// agent.v1: a named definition of who does the work. Its runner, model and words, its limits, and
// what its units may reach. An invocation says more than its task type, that more than its agent.
// Plain values; thread-safe as such.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "contract/invocation.h"

namespace drover::contract {

// Of an invocation that names none, nor its task type. Every server has it.
inline constexpr std::string_view kDefaultAgent = "default";

// A server of the gateway's configuration.
struct McpGrant {
  std::string server;
  std::optional<std::vector<std::string>> tools;  // absent: all
  std::vector<std::string> approve;               // tools whose calls wait for a person
  friend bool operator==(McpGrant const&, McpGrant const&) = default;
};

// A folder of the worker's machine in the container of a resident agent.
struct AgentMount {
  std::string source;
  std::string path;  // inside
  bool write = false;
  friend bool operator==(AgentMount const&, AgentMount const&) = default;
};

enum class CredentialSource : std::uint8_t {
  gateway,  // none inside: the gateway has them
  files,    // those of the agent's type, mounted read-only
};
[[nodiscard]] std::string_view to_string(CredentialSource source);

struct AgentSpec {
  std::string name;
  std::string type;  // agents of one type share credential files
  std::string description;
  bool enabled = true;  // else it takes no new work
  std::optional<std::string> runner;
  std::optional<std::string> model;
  std::vector<std::string> fallback_models;
  std::string prompt;  // the system's words
  std::optional<std::vector<std::string>> tools;
  Limits limits;
  std::string backend;  // "process", "docker"; empty: the server's
  std::string image;    // with docker
  std::string rootfs;   // with process: an unpacked root file system; empty: the machine's own
  std::vector<std::string> read_only_paths;
  std::vector<std::string> egress;  // the hosts that its units may connect to; empty: none
  std::vector<McpGrant> mcp;
  std::vector<std::string> hands_to;  // agents that it may hand work to
  std::map<std::string, std::string> env;
  std::map<std::string, std::string> labels;  // that its worker must have
  std::int64_t warm = 0;                      // units started ahead of need
  // One that keeps a long-lived container and a state volume, and what only such a one may have.
  bool resident = false;
  std::int64_t replicas = 1;
  std::vector<AgentMount> mounts;
  CredentialSource credentials = CredentialSource::gateway;

  friend bool operator==(AgentSpec const&, AgentSpec const&) = default;
};

// invalid_argument with the JSON pointer of what does not fit.
[[nodiscard]] Result<AgentSpec> parse_agent(json::value const& value);
[[nodiscard]] Result<AgentSpec> parse_agent(std::string_view text);
// Members with their default value are left out.
[[nodiscard]] json::value to_json(AgentSpec const& agent);

}  // namespace drover::contract
