#pragma once
// The line to one MCP server outside, for one session: a program of ours (`mcp_process.h`), or an
// address (`mcp_http.h`). What comes over it is untrusted and bounded.
//
// On the event loop. Life: open, any number of requests at once, close.
#include <functional>
#include <memory>
#include <string>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "base/time.h"
#include "gateway/json_rpc.h"
#include "os/blocking_pool.h"

namespace drover::gateway {

// For whoever no longer wants an answer.
struct McpCancel {
  void cancel() {
    cancelled = true;
    if (wake) wake();
  }
  bool cancelled = false;
  std::function<void()> wake;  // set by the request while it waits
};
using McpCancelPtr = std::shared_ptr<McpCancel>;  // shared with the request under way

struct McpRequest {
  std::string method;
  json::object params;
  Millis within{0};
  McpCancelPtr cancel{};  // null: it is waited for
};

class McpLink {
 public:
  virtual ~McpLink() = default;

  // The reply to it, which may be an error of the server's. unavailable where the line is broken,
  // timeout, cancelled, upstream for what is no MCP, too_large.
  virtual Task<Result<RpcMessage>> request(McpRequest request) = 0;
  virtual Task<Status> notify(std::string method) = 0;
  // What the server has agreed to speak, from here on.
  virtual void speak(std::string version) = 0;
  // Nothing can be asked over it any more.
  [[nodiscard]] virtual bool is_broken() const = 0;
  // Ends the program, or the server's session. Nothing is under way any more once it returns.
  virtual Task<void> close() = 0;
};

// What a server asks of us: it is told that there is none of that here. Empty for what needs no
// answer. Pure.
[[nodiscard]] std::string answer_to_server(RpcMessage const& message);

}  // namespace drover::gateway
