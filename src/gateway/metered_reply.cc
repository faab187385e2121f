#include "gateway/metered_reply.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "model/wire_format.h"
#include "os/async_event.h"

namespace drover::gateway {

Task<Status> MeteredReply::head(int status, net::Headers headers) {
  status_ = status;
  auto const* const type = headers.find("content-type");
  bool const events = type != nullptr && type->starts_with("text/event-stream");
  meter_.emplace(format_, events ? UsageMeter::Shape::stream : UsageMeter::Shape::whole);
  if (!events) usage_filter_.reset();
  co_return co_await reply_->begin_stream(status, std::move(headers));
}

Task<Status> MeteredReply::bytes(std::string bytes) {
  if (meter_) meter_->feed(bytes);
  if (key_filter_) bytes = key_filter_->feed(std::move(bytes));
  if (usage_filter_) bytes = usage_filter_->feed(bytes);
  co_return co_await write(std::move(bytes));
}

Task<Status> MeteredReply::write(std::string bytes) {
  if (bytes.empty()) co_return Status{};
  auto shared = std::make_shared<std::string const>(std::move(bytes));
  co_return co_await reply_->write(std::move(shared));
}

Task<Status> MeteredReply::end() {
  if (meter_) meter_->finish();
  std::string left;
  if (key_filter_) left = key_filter_->finish();
  if (usage_filter_) left = usage_filter_->feed(left) + usage_filter_->finish();
  auto const sent = co_await write(std::move(left));
  if (!sent) co_return sent;
  co_return co_await reply_->end();
}

Task<Status> MeteredReply::error(int status, std::string type, std::string message,
                                 std::optional<Millis> retry_after) {
  status_ = status;
  net::Headers headers{{"content-type", "application/json"}};
  if (retry_after) {
    headers.add("retry-after", std::to_string((retry_after->count() + 999) / 1000));
    headers.add("retry-after-ms", std::to_string(retry_after->count()));
  }
  // Clients of both vendors retry by the status alone unless they are told otherwise.
  if (status == 402 || status == 403) headers.add("x-should-retry", "false");
  std::string body = model::error_body(format_, type, message);
  co_return co_await reply_->send(status, std::move(headers), std::move(body));
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
