#include "broker/stream.h"

#include <algorithm>

#include "base/text.h"

namespace drover::broker {

namespace {

constexpr std::size_t kNameBytesMax = 200;
constexpr std::size_t kTypeBytesMax = 64;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_type(std::string_view text) {
  auto const fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= kTypeBytesMax && std::ranges::all_of(text, fits);
}

// A line break would end the data line of the server-sent event and forge the next.
bool is_one_line_object(std::string_view json) {
  return json.size() >= 2 && json.front() == '{' && json.back() == '}' &&
         json.find_first_of(std::string_view{"\r\n\0", 3}) == std::string_view::npos;
}

}  // namespace

Result<StreamName> StreamName::parse(std::string_view text) {
  auto const fits = [](char c) {
    return is_alphanumeric(c) || std::string_view{":._-"}.contains(c);
  };
  if (text.empty() || text.size() > kNameBytesMax || !std::ranges::all_of(text, fits))
    return fail(ErrorCode::invalid_argument,
                "'{}' is no stream name: 1 to {} letters, digits and any of :._-", printable(text),
                kNameBytesMax);
  return StreamName{std::string{text}};
}

StreamName StreamName::of_run(RunId const& run) {
  return StreamName{"task:run:" + run.str()};
}

StreamEvent::StreamEvent(std::int64_t seq, std::string_view type, std::string_view body)
    : seq_(seq), type_size_(type.size()) {
  std::string const number = std::to_string(seq);
  sse_.reserve(number.size() + type.size() + body.size() + 24);
  sse_.append("id: ").append(number).append("\nevent: ");
  type_at_ = sse_.size();
  sse_.append(type).append("\ndata: ");
  body_at_ = sse_.size();
  sse_.append(body).append("\n\n");
}

std::string_view StreamEvent::type() const {
  return std::string_view{sse_}.substr(type_at_, type_size_);
}

std::string_view StreamEvent::body() const {
  return std::string_view{sse_}.substr(body_at_, sse_.size() - body_at_ - 2);
}

std::shared_ptr<std::string const> sse_frame(EventPtr const& event) {
  return {event, &event->sse()};
}

Result<EventPtr> number_event(EventDraft const& draft, std::int64_t seq, WallTime at) {
  if (!is_type(draft.type))
    return fail(ErrorCode::invalid_argument, "'{}' is no event type: 1 to {} of a-z, 0-9 and \"-\"",
                printable(draft.type), kTypeBytesMax);
  if (draft.json.size() > kEventBytesMax)
    return fail(ErrorCode::too_large, "an event of type {} has {} bytes; the limit is {}",
                draft.type, draft.json.size(), kEventBytesMax);
  if (!is_one_line_object(draft.json))
    return fail(ErrorCode::invalid_argument,
                "an event of type {} is not one JSON object on one line", draft.type);
  std::string_view const members = std::string_view{draft.json}.substr(1);
  std::string const body = fmt::format(R"({{"seq":{},"at":"{}"{}{})", seq, to_rfc3339(at),
                                       members == "}" ? "" : ",", members);
  return std::make_shared<StreamEvent const>(seq, draft.type, body);
}

}  // namespace drover::broker
