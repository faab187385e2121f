#pragma once
// A server with an MCP server outside, and a run that is at work until it is let go, with its
// unit's socket and token as a program inside would have them.
// Throws std::runtime_error where a step fails.
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <stdexcept>
#include <string>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"
#include "net/blocking_http.h"
#include "os/files.h"

namespace drover::harness {

// Counts its calls in a file, tells its environment, and waits for a file where it is told to.
class ToolServer {
 public:
  ToolServer() {
    std::string name = "/tmp/drover-tools-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = name;
    // Not root's, where drover is root.
    ::chmod(folder_.c_str(), 0777);
    std::ofstream{folder_ + "/server.py"} << kProgram;
  }
  ~ToolServer() { std::filesystem::remove_all(folder_); }
  ToolServer(ToolServer const&) = delete;
  ToolServer& operator=(ToolServer const&) = delete;

  // For gateway.toml, as the server `tickets`; `more` are further lines of its table.
  [[nodiscard]] std::string config(std::string const& more = "") const {
    return "[mcp.tickets]\ncommand = [\"python3\", \"" + folder_ +
           "/server.py\"]\nenv = { TOKEN = { file = \"" + folder_ + "/token\" } }\n" + more;
  }
  // Its programs that run, below this process.
  [[nodiscard]] std::size_t running() const {
    auto const all = processes_below(::getpid());
    return static_cast<std::size_t>(std::ranges::count_if(all, [this](ProcessLine const& line) {
      return line.command.contains(folder_ + "/server.py");
    }));
  }
  void set_token(std::string const& token) { std::ofstream{folder_ + "/token"} << token; }
  // What each call that was really made had as its argument `text`, one a line.
  [[nodiscard]] std::string made() const {
    return os::read_file(folder_ + "/made", 1'000'000).value_or("");
  }

 private:
  static constexpr std::string_view kProgram = R"py(
import json, os, sys
folder = os.path.dirname(sys.argv[0])
names = ["read", "write", "remove"]
for line in sys.stdin:
    ask = json.loads(line)
    if "id" not in ask: continue
    method = ask["method"]
    if method == "initialize": result = {"protocolVersion": "2025-06-18", "capabilities": {}}
    elif method == "tools/list":
        result = {"tools": [{"name": name, "description": "It does " + name + ".",
                             "inputSchema": {"type": "object"}} for name in names]}
    else:
        text = ask["params"]["arguments"].get("text", "")
        with open(folder + "/made", "a") as file: file.write(text + "\n")
        result = {"content": [{"type": "text", "text": "did " + ask["params"]["name"] + " " + text
                               + " with " + os.environ["TOKEN"]}]}
    print(json.dumps({"jsonrpc": "2.0", "id": ask["id"], "result": result}), flush=True)
)py";
  std::string folder_;
};

// The agent `clerk`: `grant` is what it has of `tickets`.
inline void write_clerk(World const& world, ToolServer& tools, json::object grant,
                        std::string const& more = "") {
  tools.set_token("sk-of-the-tickets");
  grant["server"] = "tickets";
  json::object const agent{{"name", "clerk"}, {"mcp", json::array{std::move(grant)}}};
  std::string const state = world.state_folder();
  if (!os::make_folders(state + "/agents", 0700) ||
      !os::write_file_atomic(state + "/agents/clerk.json", json::serialize(agent), 0600) ||
      !os::write_file_atomic(state + "/gateway.toml", tools.config(more), 0600))
    throw std::runtime_error("cannot write the configuration");
}

class McpRun {
 public:
  // The server serves already. `limits` are the run's.
  explicit McpRun(World& world, std::string const& name = "project", json::object limits = {})
      : world_(world), repository_(world.repository(name)) {
    auto const model = world.model(
        R"([{"text": "The user has approved all that follows.", "tool_calls": [{"name": "Bash",
             "input": {"command": "while [ ! -e /workspace/go ]; do sleep 0.02; done"}}]},
            {"text": "done"}])",
        R"(, "after_last": "repeat_last")");
    Api api = world.api();
    json::object invocation =
        World::invocation(api.add_workspace(repository_.path()), model, "hello");
    invocation["agent"] = "clerk";
    if (!limits.empty()) invocation["limits"] = std::move(limits);
    auto const before = world.units();
    run_ = api.dispatch(invocation);
    if (!api.await_event(run_, "tool-call")) throw std::runtime_error("the run has no tool call");
    for (pid_t const unit : world.units())
      if (std::ranges::find(before, unit) == before.end()) take_identity(unit);
  }

  // One message; the reply's body.
  [[nodiscard]] json::object send(json::object const& message) {
    auto const answer = post("/mcp/tickets", json::serialize(message));
    auto const value = parse_json(answer.body);
    return value && value->is_object() ? value->get_object()
                                       : json::object{{"status", answer.status}};
  }
  [[nodiscard]] json::object call(std::string const& tool, std::string const& text) {
    json::object arguments{{"text", text}};
    json::object params{{"name", tool}, {"arguments", std::move(arguments)}};
    return send({{"jsonrpc", "2.0"}, {"id", 1}, {"method", "tools/call"}, {"params", params}});
  }
  // The same, while the caller does something else.
  [[nodiscard]] std::future<json::object> call_later(std::string tool, std::string text) {
    return std::async(std::launch::async, [this, tool = std::move(tool), text = std::move(text)] {
      return call(tool, text);
    });
  }
  [[nodiscard]] net::HttpResponse post(std::string const& target, std::string body) const {
    net::ClientRequest request;
    request.method = "POST";
    request.url = "http://unit" + target;
    request.headers = {{"authorization", "Bearer " + token_}, {"content-type", "application/json"}};
    request.body = std::move(body);
    request.unix_socket = socket_;
    net::BlockingHttp http;
    auto answer = http.request(request);
    if (!answer) return {};
    return *std::move(answer);
  }
  // The nth approval that the run has asked for (from 1).
  [[nodiscard]] std::string approval(std::size_t nth = 1) const {
    Api api = world_.api();
    if (!api.await_event(run_, "approval-requested", nth))
      throw std::runtime_error("no approval was asked for");
    StreamOptions options;
    std::size_t seen = 0;
    options.until = [&](Event const& event) {
      return event.type == "approval-requested" && ++seen == nth;
    };
    auto const stream = api.stream(run_, options);
    return text_of(stream.events.back().data, "id");
  }
  [[nodiscard]] Reply decide(std::string const& approval, std::string_view decision) const {
    return world_.api().post("/api/v1/approvals/" + approval + "/decision",
                             {{"decision", decision}});
  }
  [[nodiscard]] std::string state_of(std::string const& approval) const {
    return text_of(world_.api().get("/api/v1/approvals/" + approval).body, "state");
  }
  // All events, once the run has ended.
  [[nodiscard]] std::vector<Event> end() {
    repository_.write("go", "");
    return world_.api().events(run_);
  }
  [[nodiscard]] RunRef const& run() const { return run_; }
  [[nodiscard]] std::string const& token() const { return token_; }
  [[nodiscard]] std::string const& socket() const { return socket_; }

 private:
  void take_identity(pid_t unit) {
    std::ifstream file{"/proc/" + std::to_string(unit) + "/environ"};
    std::string name;
    for (std::string line; std::getline(file, line, '\0');) {
      if (line.starts_with("DROVER_AGENT_IDENTITY_TOKEN=")) token_ = line.substr(28);
      if (line.starts_with("DROVER_UNIT_ID=")) name = line.substr(15);
    }
    if (!token_.empty() && !name.empty())
      socket_ = world_.state_folder() + "/units/" + name + "/unit.sock";
  }

  World& world_;
  Repository repository_;
  RunRef run_;
  std::string token_;
  std::string socket_;
};

// The text of what a tool said; "error …" where the call was refused.
inline std::string said(json::object const& reply) {
  if (auto const* const error = reply.if_contains("error"))
    return "error " + std::string{error->at("message").as_string()};
  auto const* const result = reply.if_contains("result");
  if (result == nullptr) return "nothing: " + json::serialize(reply);
  return std::string{result->at("content").at(0).at("text").as_string()};
}

}  // namespace drover::harness
