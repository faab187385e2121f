#pragma once
// The MCP servers outside, as sessions use them: each session has a line of its own to each server,
// so that what a server remembers of one is never another's. A line is opened by its first call,
// opened again where it broke, after a wait that doubles, and closed when idle.
//
// On the event loop. Life: any number of calls, stop.
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "gateway/mcp_link.h"
#include "gateway/upstream_set.h"
#include "net/http_client.h"
#include "os/async_event.h"
#include "os/blocking_pool.h"
#include "os/task_group.h"

namespace drover::gateway {

struct McpCall {
  std::string server;
  std::string session;
  std::string tool;
  json::object arguments;
  McpCancelPtr cancel{};
};

// For people.
struct McpState {
  std::string name;
  std::size_t lines = 0;  // open
  std::string trouble;    // why the last line could not be opened; empty: it could, or none was
};

class McpBroker {
 public:
  McpBroker(boost::asio::io_context& io, os::BlockingPool& pool, UpstreamSetPtr set);
  ~McpBroker();
  McpBroker(McpBroker const&) = delete;
  McpBroker& operator=(McpBroker const&) = delete;

  // Lines to servers that are another's now, or gone, are closed.
  void replace(UpstreamSetPtr set);
  // nullptr where the configuration has none; borrowed until replace().
  [[nodiscard]] McpServer const* find(std::string_view name) const;
  // The tools that the configuration lets through, as the server describes them.
  Task<Result<json::array>> tools(std::string server, std::string session, McpCancelPtr cancel);
  // What the server replied, without its credentials. forbidden for a tool that the configuration
  // does not let through, else the errors of McpLink::request.
  Task<Result<RpcMessage>> call(McpCall call);
  [[nodiscard]] std::vector<McpState> states() const;

  // Closes idle lines until stop().
  Task<void> watch_idle();
  // Closes all.
  Task<void> stop();

 private:
  struct Line;
  using LinePtr = std::shared_ptr<Line>;            // shared with the calls under way
  using Key = std::pair<std::string, std::string>;  // server, session

  Result<LinePtr> line_of(std::string const& server, std::string const& session);
  Status make_room(McpServer const& server);
  Task<Result<std::shared_ptr<McpLink>>> link_of(LinePtr line);
  Task<Result<std::shared_ptr<McpLink>>> open(LinePtr line);
  void retire(LinePtr const& line);
  static Task<void> close_link(std::shared_ptr<McpLink> link);
  Task<Result<RpcMessage>> ask(LinePtr line, McpRequest request);

  boost::asio::io_context& io_;
  os::BlockingPool& pool_;
  UpstreamSetPtr set_;
  net::HttpClient client_;
  std::map<Key, LinePtr> lines_;
  os::AsyncEvent changed_;
  os::TaskGroup closing_;
  bool stopping_ = false;
};

// Each text in it, without the credentials. Pure.
void clean_secrets(json::value& value, McpSecrets const& secrets);

}  // namespace drover::gateway
