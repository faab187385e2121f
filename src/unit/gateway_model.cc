#include "unit/gateway_model.h"

#include <fmt/format.h>

#include <array>

#include "model/model_stream.h"

namespace drover::unit {

namespace {

constexpr std::size_t kRefusalBytesMax = std::size_t{64} << 10U;

std::unexpected<model::Failure> failure(model::Failure::Kind kind, std::string message) {
  model::Failure out;
  out.kind = kind;
  out.message = std::move(message);
  return std::unexpected(std::move(out));
}

std::string header_or_empty(net::Headers const& headers, std::string_view name) {
  auto const* const value = headers.find(name);
  return value == nullptr ? std::string{} : *value;
}

}  // namespace

std::expected<model::Response, model::Failure> GatewayModel::call(std::string body,
                                                                  agent::OnItem const& on_item) {
  if (auto sent = send(body); !sent) return std::unexpected(sent.error());
  while (client_->head() == nullptr) {
    if (auto waited = wait_readable(kHeadWithin, "an answer"); !waited)
      return std::unexpected(waited.error());
  }
  if (client_->head()->status == 200) return read_stream(on_item);
  return std::unexpected(read_refusal());
}

GatewayModel::Step GatewayModel::send(std::string_view body) {
  if (!client_) {
    auto client = net::UnixClient::open(endpoint_->socket_path, *clock_);
    if (!client) return failure(model::Failure::Kind::connect, client.error().message);
    client_ = *std::move(client);
  }
  net::Headers headers = endpoint_->headers();
  headers.add("Content-Type", "application/json");
  headers.add("anthropic-version", "2023-06-01");
  auto const started =
      client_->start("POST", "/v1/messages", headers, body, clock_->boot_now() + kSendWithin);
  if (!started) return failure(model::Failure::Kind::connect, started.error().message);
  return {};
}

// Returns when more has come, or the answer has ended.
GatewayModel::Step GatewayModel::wait_readable(Millis within, std::string_view for_what) {
  std::array descriptors{pollfd{client_->fd(), POLLIN, 0}};
  agent::Wake const wake = waiter_->wait(descriptors, clock_->boot_now() + within);
  if (wake == agent::Wake::ready) {
    auto const read = client_->on_readable();
    if (read) return {};
    return failure(model::Failure::Kind::cut, read.error().message);
  }
  // Closing tells the server that nobody listens, so that it stops paying for the answer.
  client_->close();
  if (wake == agent::Wake::interrupted)
    return failure(model::Failure::Kind::interrupted, "interrupted");
  return failure(model::Failure::Kind::timeout,
                 fmt::format("waited {} s for {}", within.count() / 1000, for_what));
}

std::expected<model::Response, model::Failure> GatewayModel::read_stream(
    agent::OnItem const& on_item) {
  model::ModelStream stream;
  std::vector<model::StreamItem> items;
  for (;;) {
    std::string const bytes = client_->take_body();
    items.clear();
    auto const fed = stream.feed(bytes, items);
    for (model::StreamItem const& item : items)
      on_item(item);
    if (!fed) {
      client_->close();
      return std::unexpected(fed.error());
    }
    // The end of the message, not of the connection, ends the call.
    if (client_->done()) return stream.finish();
    if (auto waited = wait_readable(kSilenceMax, "more of the answer"); !waited) {
      if (stream.complete()) return stream.finish();
      return std::unexpected(waited.error());
    }
  }
}

model::Failure GatewayModel::read_refusal() {
  net::HttpHead const head = *client_->head();
  std::string body = client_->take_body();
  while (!client_->done() && body.size() < kRefusalBytesMax) {
    if (auto waited = wait_readable(Millis{10'000}, "the rest of an error"); !waited) {
      if (waited.error().kind == model::Failure::Kind::interrupted) return waited.error();
      break;
    }
    body += client_->take_body();
  }
  return model::failure_from_response(head.status, body,
                                      header_or_empty(head.headers, "retry-after"),
                                      header_or_empty(head.headers, "retry-after-ms"));
}

}  // namespace drover::unit
