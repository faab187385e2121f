#include "gateway/metered_reply.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json.hpp>

#include "base/json.h"
#include "os/async_event.h"

namespace drover::gateway {

Task<Status> MeteredReply::head(int status, net::Headers headers) {
  status_ = status;
  auto const* const type = headers.find("content-type");
  bool const events = type != nullptr && type->starts_with("text/event-stream");
  meter_.emplace(events ? UsageMeter::Format::sse : UsageMeter::Format::json);
  co_return co_await reply_->begin_stream(status, std::move(headers));
}

Task<Status> MeteredReply::bytes(std::string bytes) {
  if (meter_) meter_->feed(bytes);
  auto shared = std::make_shared<std::string const>(std::move(bytes));
  co_return co_await reply_->write(std::move(shared));
}

Task<Status> MeteredReply::end() {
  if (meter_) meter_->finish();
  co_return co_await reply_->end();
}

Task<Status> MeteredReply::error(int status, std::string type, std::string message) {
  status_ = status;
  json::object const body{{"type", "error"}, {"error", {{"type", type}, {"message", message}}}};
  net::Headers headers{{"content-type", "application/json"}};
  co_return co_await reply_->send(status, std::move(headers), json::serialize(body));
}

namespace {

// Until the client goes, or the time is up.
Task<void> wait_for_client(net::HttpReply& client, Millis silence_max) {
  auto const executor = co_await boost::asio::this_coro::executor;
  auto event = std::make_unique<os::AsyncEvent>(executor);
  os::AsyncEvent* const gone = event.get();
  client.on_peer_gone([gone] { gone->notify(); });
  co_await gone->wait(0, std::chrono::steady_clock::now() + silence_max);
  client.on_peer_gone(nullptr);
}

Task<void> pause(Millis wait) {
  auto const executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer{executor};
  timer.expires_after(wait);
  co_await timer.async_wait(boost::asio::use_awaitable);
}

}  // namespace

Task<Status> play_plan(model::Plan plan, MeteredReply& reply, Millis silence_max) {
  using Kind = model::PlanStep::Kind;
  for (model::PlanStep& step : plan) {
    Status done;
    switch (step.kind) {
      case Kind::wait: {
        co_await pause(step.wait);
        break;
      }
      case Kind::head: {
        net::Headers headers;
        for (auto& [name, value] : step.headers)
          headers.add(std::move(name), std::move(value));
        done = co_await reply.head(step.status, std::move(headers));
        break;
      }
      case Kind::bytes: {
        done = co_await reply.bytes(std::move(step.bytes));
        break;
      }
      case Kind::hang: {
        co_await wait_for_client(reply.client(), silence_max);
        if (reply.status() != 0 || reply.client().peer_gone()) co_return Status{};
        std::string message = "the model sent no answer in time";
        co_return co_await reply.error(504, "timeout_error", std::move(message));
      }
      case Kind::cut:
        co_return Status{};  // the server cuts an answer that was not ended
    }
    if (!done) co_return done;
  }
  co_return co_await reply.end();
}

}  // namespace drover::gateway
