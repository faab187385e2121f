#include "redis/reply.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace drover::redis {

namespace {

// Longer than any that Redis sends: statuses, errors and numbers.
constexpr std::size_t kLineBytesMax = std::size_t{64} << 10U;
// What was read is dropped from the buffer's front once there is this much of it.
constexpr std::size_t kDropBytes = std::size_t{64} << 10U;

std::unexpected<Error> malformed(std::string_view what) {
  return fail_next(ErrorCode::upstream,
                   fmt::format("what answers does not speak the Redis protocol: {}", what),
                   "check the broker's address");
}

Result<std::int64_t> parse_number(std::string_view text) {
  std::int64_t value = 0;
  auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size())
    return malformed(fmt::format("'{}' is no number", printable(text, 40)));
  return value;
}

Reply text_reply(Reply::Kind kind, std::string_view text) {
  Reply reply;
  reply.kind = kind;
  reply.text = text;
  return reply;
}

}  // namespace

std::size_t encoded_size(Command const& command) {
  constexpr std::size_t kHeader = 24;  // "$", the digits, two line ends
  std::size_t size = kHeader;
  for (std::string const& word : command)
    size += kHeader + word.size();
  return size;
}

void append_command(std::string& out, Command const& command) {
  fmt::format_to(std::back_inserter(out), "*{}\r\n", command.size());
  for (std::string const& word : command) {
    fmt::format_to(std::back_inserter(out), "${}\r\n", word.size());
    out.append(word).append("\r\n");
  }
}

void ReplyParser::feed(std::string_view bytes) {
  if (at_ > kDropBytes || at_ == buffer_.size()) {
    buffer_.erase(0, at_);
    searched_ -= std::min(searched_, at_);
    at_ = 0;
  }
  buffer_.append(bytes);
}

// Without its end; nullopt when that has not come.
Result<std::optional<std::string_view>> ReplyParser::line() {
  auto const end = buffer_.find('\n', std::max(at_, searched_));
  if (end == std::string::npos) {
    searched_ = buffer_.size();
    if (buffer_.size() - at_ > kLineBytesMax) return malformed("a line has no end");
    return std::nullopt;
  }
  if (end - at_ > kLineBytesMax) return malformed("a line is too long");
  if (end == at_ || buffer_[end - 1] != '\r') return malformed("a line does not end in CR LF");
  std::string_view const text = std::string_view{buffer_}.substr(at_, end - 1 - at_);
  if (text.find('\r') != std::string_view::npos) return malformed("a line holds a CR");
  DROVER_TRY(count_bytes(end + 1 - at_));
  at_ = searched_ = end + 1;
  return text;
}

Status ReplyParser::count_bytes(std::size_t bytes) {
  bytes_ += bytes;
  if (bytes_ <= bounds_.bytes_max) return {};
  return fail(ErrorCode::too_large, "a reply of Redis is over the limit of {} bytes",
              bounds_.bytes_max);
}

Result<std::optional<Reply>> ReplyParser::bulk() {
  std::size_t const size = *bulk_size_;
  if (buffer_.size() - at_ < size + 2) return std::nullopt;
  if (buffer_[at_ + size] != '\r' || buffer_[at_ + size + 1] != '\n')
    return malformed("a string is longer than it says");
  Reply reply = text_reply(Reply::Kind::bulk, std::string_view{buffer_}.substr(at_, size));
  at_ += size + 2;
  bulk_size_.reset();
  return reply;
}

// An empty array is an element; one with items is opened, and its items come first.
Result<std::optional<Reply>> ReplyParser::open_array(std::int64_t count) {
  Open array;
  array.reply.kind = Reply::Kind::array;
  array.missing = static_cast<std::size_t>(count);
  if (array.missing == 0) return std::move(array.reply);
  if (open_.size() >= bounds_.depth_max)
    return fail(ErrorCode::too_large, "a reply of Redis is nested deeper than {}",
                bounds_.depth_max);
  if (array.missing > bounds_.items_max - std::min(items_, bounds_.items_max))
    return fail(ErrorCode::too_large, "a reply of Redis has more than {} items", bounds_.items_max);
  items_ += array.missing;
  open_.push_back(std::move(array));
  return std::nullopt;
}

// One element, or nullopt: either more bytes are needed, or an array was opened.
Result<std::optional<Reply>> ReplyParser::element() {
  if (bulk_size_) return bulk();
  auto const header = line();
  if (!header) return std::unexpected(header.error());
  if (!*header) return std::nullopt;
  if ((*header)->empty()) return malformed("a line is empty");
  std::string_view const text = (*header)->substr(1);
  switch ((*header)->front()) {
    case '+':
      return text_reply(Reply::Kind::status, text);
    case '-':
      return text_reply(Reply::Kind::error, text);
    case ':':
    case '$':
    case '*':
      break;
    default:
      return malformed(fmt::format("a reply starts with '{}'", printable(**header, 20)));
  }
  auto const number = parse_number(text);
  if (!number) return std::unexpected(number.error());
  if ((*header)->front() == ':') {
    Reply reply;
    reply.kind = Reply::Kind::integer;
    reply.integer = *number;
    return reply;
  }
  if (*number == -1) return Reply{};
  if (*number < -1) return malformed("a size is negative");
  if ((*header)->front() == '*') return open_array(*number);
  DROVER_TRY(count_bytes(static_cast<std::size_t>(*number)));
  bulk_size_ = static_cast<std::size_t>(*number);
  return bulk();
}

// Puts an element into the array that waits for it. Returns the outermost reply once it is whole.
std::optional<Reply> ReplyParser::close(Reply reply) {
  while (!open_.empty()) {
    Open& array = open_.back();
    array.reply.items.push_back(std::move(reply));
    if (--array.missing > 0) return std::nullopt;
    reply = std::move(array.reply);
    open_.pop_back();
  }
  bytes_ = 0;
  items_ = 0;
  return reply;
}

Result<std::optional<Reply>> ReplyParser::next() {
  for (;;) {
    std::size_t const before = at_;
    std::size_t const depth = open_.size();
    auto part = element();
    if (!part) return part;
    if (*part) {
      if (auto whole = close(std::move(**part))) return whole;
      continue;
    }
    // Neither bytes were used up nor an array opened: the rest is still on its way.
    if (at_ == before && open_.size() == depth) return std::nullopt;
  }
}

}  // namespace drover::redis
