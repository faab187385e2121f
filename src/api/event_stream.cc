#include "api/event_stream.h"

#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <utility>
#include <vector>

#include "base/text.h"
#include "net/sse.h"

namespace drover::api {

namespace {

constexpr std::size_t kEventsAWrite = 256;
constexpr Millis kKeepAlive{15'000};

net::SharedBytes shared(std::string text) {
  return std::make_shared<std::string const>(std::move(text));
}

std::vector<net::SharedBytes> frames(broker::ReadBatch const& batch) {
  std::vector<net::SharedBytes> buffers;
  if (batch.gap_until)
    buffers.push_back(
        shared(net::format_sse("", "gap", fmt::format(R"({{"until":{}}})", *batch.gap_until))));
  for (broker::EventPtr const& event : batch.events)
    buffers.push_back(broker::sse_frame(event));
  return buffers;
}

}  // namespace

Result<std::int64_t> resume_point(net::HttpRequest const& request) {
  std::string text = "0";
  if (auto const* const header = request.header("last-event-id"); header != nullptr) {
    text = *header;
  } else if (auto const query = request.query.find("after"); query != request.query.end()) {
    text = query->second;
  }
  std::int64_t number = 0;
  auto const end = text.data() + text.size();
  auto const [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || stop != end || number < 0)
    return fail(
        ErrorCode::invalid_argument,
        "'{}' is not the number of an event; Last-Event-ID takes the id of the last one seen",
        printable(text, 40));
  return number;
}

Result<Follow> follow_of(net::HttpRequest const& request) {
  auto const found = request.query.find("follow");
  if (found == request.query.end() || found->second == "true") return Follow::yes;
  if (found->second == "false") return Follow::no;
  return fail(ErrorCode::invalid_argument, "follow is true or false, not '{}'",
              printable(found->second, 20));
}

Task<Status> serve_events(broker::OutputStreams& streams, broker::StreamName name,
                          std::int64_t after_seq, Follow follow, net::HttpReply& reply) {
  auto opened = streams.open_reader(name, after_seq);
  if (!opened) co_return std::unexpected(opened.error());
  broker::StreamReader& reader = **opened;
  reply.on_peer_gone([&reader] { reader.stop(); });
  net::Headers headers{{"content-type", "text/event-stream"},
                       {"cache-control", "no-store"},
                       {"x-accel-buffering", "no"}};
  auto const begun = co_await reply.begin_stream(200, std::move(headers));
  if (!begun) co_return Status{};
  Millis const wait = follow == Follow::yes ? kKeepAlive : Millis{0};
  for (;;) {
    auto const batch = co_await reader.next(kEventsAWrite, wait);
    if (!batch) co_return Status{};  // the client has gone, or the server stops: the stream is cut
    auto buffers = frames(*batch);
    bool const over = batch->ended || (buffers.empty() && follow == Follow::no);
    if (buffers.empty() && !over) buffers.push_back(shared(net::format_sse_comment("alive")));
    if (!buffers.empty()) {
      auto const written = co_await reply.write(std::move(buffers));
      if (!written) co_return Status{};
    }
    if (over) co_return co_await reply.end();
  }
}

}  // namespace drover::api
