#pragma once
// The model as the unit reaches it: POST /v1/messages on a connection of its own. One thread.
#include <optional>

#include "agent/ports.h"
#include "net/unix_client.h"
#include "unit/switchboard.h"

namespace drover::unit {

class GatewayModel final : public agent::ModelClient {
 public:
  static constexpr Millis kSendWithin{60'000};
  static constexpr Millis kHeadWithin{180'000};  // until the first byte of the answer
  static constexpr Millis kSilenceMax{90'000};   // inside it; the API pings more often

  GatewayModel(Endpoint const& endpoint, Clock const& clock, agent::Waiter& waiter)
      : endpoint_(&endpoint), clock_(&clock), waiter_(&waiter) {}

  std::expected<model::Response, model::Failure> call(std::string body,
                                                      agent::OnItem const& on_item) override;

 private:
  using Step = std::expected<void, model::Failure>;
  [[nodiscard]] Step send(std::string_view body);
  [[nodiscard]] Step wait_readable(Millis within, std::string_view for_what);
  [[nodiscard]] std::expected<model::Response, model::Failure> read_stream(
      agent::OnItem const& on_item);
  [[nodiscard]] model::Failure read_refusal();

  Endpoint const* endpoint_;
  Clock const* clock_;
  agent::Waiter* waiter_;
  std::optional<net::UnixClient> client_;
};

}  // namespace drover::unit
