#pragma once
// An MCP server at an address: streamable HTTP, each request a POST that is answered with JSON or
// with a stream of events.
//
// On the event loop.
#include <cstdint>
#include <string>

#include "base/secret.h"
#include "gateway/mcp_config.h"
#include "gateway/mcp_link.h"
#include "net/http_client.h"
#include "net/sse.h"

namespace drover::gateway {

class McpHttp final : public McpLink {
 public:
  // `client` outlives it.
  McpHttp(net::HttpClient& client, McpServer server, Secret key)
      : client_(client), server_(std::move(server)), key_(std::move(key)) {}

  Task<Result<RpcMessage>> request(McpRequest request) override;
  Task<Status> notify(std::string method) override;
  void speak(std::string version) override { version_ = std::move(version); }
  [[nodiscard]] bool is_broken() const override { return broken_; }
  Task<void> close() override;

 private:
  [[nodiscard]] net::ClientRequest request_of(std::string method, std::string body,
                                              Millis within) const;
  Task<Result<RpcMessage>> read_reply(std::unique_ptr<net::ResponseStream> stream, std::int64_t id,
                                      McpCancelPtr cancel);
  Task<Result<RpcMessage>> read_refusal(std::unique_ptr<net::ResponseStream> stream);

  net::HttpClient& client_;
  McpServer server_;
  Secret key_;
  std::string version_;
  std::string session_;  // that the server has given us
  std::int64_t last_id_ = 0;
  bool broken_ = false;  // the server's session is over
};

// Finds the reply with this id in what comes: the whole body, or events. Pure.
class RpcReplyFinder {
 public:
  enum class Form : std::uint8_t { json, events };
  RpcReplyFinder(Form form, std::int64_t id) : form_(form), id_(id), events_(kRpcBytesMax) {}
  // nullopt: not yet. too_large, or upstream for what is no message.
  [[nodiscard]] Result<std::optional<RpcMessage>> feed(std::string_view bytes);
  // At the end of the body.
  [[nodiscard]] Result<std::optional<RpcMessage>> finish();

 private:
  [[nodiscard]] Result<std::optional<RpcMessage>> take(std::string_view text);
  Form form_;
  std::int64_t id_;
  std::string held_;
  net::SseParser events_;
  std::size_t seen_ = 0;
};

}  // namespace drover::gateway
