#pragma once
// MCP servers as the unit reaches them: POST /mcp/NAME on a connection of its own. One thread.
#include <cstdint>
#include <optional>
#include <string>

#include "agent/mcp_tool.h"
#include "net/unix_client.h"
#include "unit/switchboard.h"

namespace drover::unit {

class GatewayMcp final : public agent::McpPort {
 public:
  static constexpr Millis kSendWithin{60'000};
  // The server keeps an answer that takes long alive.
  static constexpr Millis kSilenceMax{90'000};

  GatewayMcp(Endpoint const& endpoint, Clock const& clock, agent::Waiter& waiter)
      : endpoint_(&endpoint), clock_(&clock), waiter_(&waiter) {}

  Result<json::value> ask(std::string_view server, std::string_view method,
                          json::object const& params) override;

 private:
  [[nodiscard]] Status send(std::string_view server, std::string const& body);
  [[nodiscard]] Status wait_more();
  [[nodiscard]] Result<std::string> read_body();

  Endpoint const* endpoint_;
  Clock const* clock_;
  agent::Waiter* waiter_;
  std::optional<net::UnixClient> client_;
  std::int64_t last_id_ = 0;
};

// The reply in what was answered: the whole of it, or its one event. Pure.
[[nodiscard]] Result<json::value> mcp_result_of(net::HttpHead const& head, std::string_view body);

}  // namespace drover::unit
