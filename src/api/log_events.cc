#include "api/log_events.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "net/sse.h"

namespace drover::api {

namespace {

using fleet::LogEvent;

constexpr Millis kKeepAlive{15'000};

net::SharedBytes shared(std::string text) {
  return std::make_shared<std::string const>(std::move(text));
}

std::string_view name_of(LogEvent::Kind kind) {
  switch (kind) {
    case LogEvent::Kind::line:
      return "line";
    case LogEvent::Kind::gap:
      return "gap";
    case LogEvent::Kind::replaced:
      return "replaced";
    case LogEvent::Kind::trouble:
      return "trouble";
  }
  return "line";
}

// What a program wrote may be any bytes.
std::string frame(LogEvent const& event) {
  json::object data{{"instance", json::string{event.instance}}};
  if (event.kind == LogEvent::Kind::line) {
    data["at"] = nullptr;
    if (!event.line.at.empty()) data["at"] = json::string{to_utf8(event.line.at)};
    data["text"] = json::string{to_utf8(event.line.text)};
  }
  if (event.kind == LogEvent::Kind::trouble)
    data["reason"] = json::string{to_utf8(event.line.text)};
  return net::format_sse(event.cursors, name_of(event.kind), json::serialize(data));
}

// A handler that is cut off at a wait ends it too.
struct Cancelled {
  std::shared_ptr<fleet::LogFollow> follow;
  explicit Cancelled(std::shared_ptr<fleet::LogFollow> of) : follow(std::move(of)) {}
  ~Cancelled() { follow->cancel(); }
  Cancelled(Cancelled const&) = delete;
  Cancelled& operator=(Cancelled const&) = delete;
};

}  // namespace

Task<Status> serve_logs(std::shared_ptr<fleet::LogFollow> follow, net::HttpReply& reply) {
  Cancelled const cancelled{follow};
  reply.on_peer_gone([follow] { follow->cancel(); });
  net::Headers headers{{"content-type", "text/event-stream"},
                       {"cache-control", "no-store"},
                       {"x-accel-buffering", "no"}};
  auto const begun = co_await reply.begin_stream(200, std::move(headers));
  if (!begun) co_return Status{};
  while (!follow->over()) {
    auto const events = co_await follow->next(std::chrono::steady_clock::now() + kKeepAlive);
    std::vector<net::SharedBytes> buffers;
    for (LogEvent const& event : events)
      buffers.push_back(shared(frame(event)));
    if (follow->cut_off()) co_return Status{};  // the client has gone, or the server stops
    if (buffers.empty() && !follow->over())
      buffers.push_back(shared(net::format_sse_comment("alive")));
    if (buffers.empty()) continue;
    auto const written = co_await reply.write(std::move(buffers));
    if (!written) co_return Status{};
  }
  if (follow->cut_off()) co_return Status{};
  auto const said = co_await reply.write(shared(net::format_sse("", "end", "{}")));
  if (!said) co_return Status{};
  co_return co_await reply.end();
}

}  // namespace drover::api
