#include "fleet/log_follow.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/text.h"

namespace drover::fleet {

using std::chrono::steady_clock;

namespace {

constexpr std::size_t kQueuedEventsMax = 1'000;
constexpr std::size_t kQueuedBytesMax = std::size_t{256} << 10U;
constexpr std::size_t kEventBytes = 200;  // of one without its text, about
constexpr std::size_t kCursorBytesMax = 200;
// An engine that ended a stream is asked again after this, if nothing is heard of before.
constexpr Millis kAskAgain{1'000};

std::size_t size_of(LogEvent const& event) {
  return event.line.text.size() + kEventBytes;
}

bool is_cursor_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == ':' || c == '/';
}

bool is_cursor(std::string_view text) {
  return !text.empty() && text.size() <= kCursorBytesMax &&
         std::ranges::all_of(text, is_cursor_char);
}

}  // namespace

std::string format_cursors(LogCursors const& cursors) {
  std::string text;
  for (auto const& [instance, cursor] : cursors) {
    if (!text.empty()) text += ' ';
    text += instance + "=" + cursor;
  }
  return text;
}

Result<LogCursors> parse_cursors(std::string_view text) {
  LogCursors cursors;
  for (auto const word : split(text, ' ')) {
    if (word.empty()) continue;
    auto const at = word.find('=');
    if (at == std::string_view::npos || !is_cursor(word.substr(0, at)) ||
        !is_cursor(word.substr(at + 1)))
      return fail(ErrorCode::invalid_argument,
                  "'{}' is no place in the logs; Last-Event-ID takes the id of the last one seen",
                  printable(word, 80));
    cursors.insert_or_assign(std::string{word.substr(0, at)}, std::string{word.substr(at + 1)});
  }
  return cursors;
}

LogFollow::LogFollow(Parts parts, LogWish wish)
    : parts_(std::move(parts)),
      wish_(std::move(wish)),
      read_(wish_.cursors),
      told_(wish_.cursors),
      moved_(parts_.executor),
      tasks_(parts_.executor, "logs") {}

// ---- the instances ------------------------------------------------------------------------------

// Also those that come while others are followed.
Task<void> LogFollow::run(std::shared_ptr<LogFollow> self) {
  LogFollow& me = *self;
  while (!me.cut_off()) {
    auto const seen = me.parts_.changed.version();
    for (auto const& name : me.parts_.instances(me.wish_.agent)) {
      auto const place = me.wants(name) ? me.parts_.place(name) : std::nullopt;
      if (!place || (!place->wanted && place->container.empty()) || me.followed_[name]) continue;
      me.followed_[name] = true;
      me.tasks_.spawn(me.follow(name), "follow");
    }
    bool const any = std::ranges::any_of(me.followed_, [](auto const& one) { return one.second; });
    if (!any) break;
    co_await me.parts_.changed.wait(seen, steady_clock::now() + kAskAgain);
  }
  if (me.cut_off()) me.cancel();
  co_await me.tasks_.join();
  me.over_ = true;
  me.moved_.notify();
}

Task<void> LogFollow::follow(std::string instance) {
  auto const self = shared_from_this();
  std::string last;  // container
  bool begun = false;
  while (!cut_off()) {
    auto const seen = parts_.changed.version();
    auto const place = parts_.place(instance);
    if (!place || (!place->wanted && place->container.empty())) break;
    bool const another = !place->container.empty() && place->container != last;
    // One that has ended and is looked at already has nothing more to say.
    if (another || (place->runs && !last.empty())) {
      if (another && !last.empty()) co_await tell(instance, LogEvent::Kind::replaced);
      auto const opened = co_await follow_container(instance, *place, begun ? 0 : wish_.lines);
      begun = begun || opened == Opened::yes;
      last = place->container;
    }
    if (!cut_off()) co_await parts_.changed.wait(seen, steady_clock::now() + kAskAgain);
  }
  followed_[instance] = false;
}

Task<LogFollow::Opened> LogFollow::follow_container(std::string instance, LogPlace place,
                                                    int lines) {
  LogStart start;
  start.lines = lines;
  if (auto const cursor = read_.find(instance); cursor != read_.end())
    start.cursor = cursor->second;
  auto opened = co_await place.engine->follow(place.container, std::move(start));
  if (cut_off()) co_return Opened::no;
  if (!opened) {
    // Podman does not answer before its container has said something.
    if (opened.error().code == ErrorCode::not_found || opened.error().code == ErrorCode::timeout)
      co_return Opened::no;
    // Once, however often it is tried.
    if (troubled_.insert(instance).second)
      co_await tell(instance, LogEvent::Kind::trouble, opened.error().text());
    co_return Opened::no;
  }
  troubled_.erase(instance);
  std::shared_ptr<LogStream> const stream = *std::move(opened);
  streams_[instance] = stream;
  co_await read_all(instance, stream);
  streams_.erase(instance);
  co_return Opened::yes;
}

Task<void> LogFollow::read_all(std::string instance, std::shared_ptr<LogStream> stream) {
  while (!cut_off()) {
    auto batch = co_await stream->next();
    // An engine that has gone is looked for again.
    if (!batch || !*batch) co_return;
    if ((*batch)->gap) co_await tell(instance, LogEvent::Kind::gap);
    for (LogLine& line : (*batch)->lines) {
      if (!line.cursor.empty()) read_[instance] = line.cursor;
      LogEvent event;
      event.instance = instance;
      event.line = std::move(line);
      co_await push(std::move(event));
    }
  }
}

// ---- the queue ----------------------------------------------------------------------------------

Task<void> LogFollow::tell(std::string instance, LogEvent::Kind kind, std::string text) {
  LogEvent event;
  event.kind = kind;
  event.instance = std::move(instance);
  event.line.text = std::move(text);
  co_await push(std::move(event));
}

Task<void> LogFollow::push(LogEvent event) {
  while (!cut_off() && (queue_.size() >= kQueuedEventsMax || queued_bytes_ >= kQueuedBytesMax)) {
    auto const seen = moved_.version();
    co_await moved_.wait(seen);
  }
  if (cut_off()) co_return;
  queued_bytes_ += size_of(event);
  queue_.push_back(std::move(event));
  moved_.notify();
}

Task<std::vector<LogEvent>> LogFollow::next(os::AsyncEvent::TimePoint deadline) {
  while (queue_.empty() && !over_ && !cut_off() && steady_clock::now() < deadline) {
    auto const seen = moved_.version();
    co_await moved_.wait(seen, deadline);
  }
  std::vector<LogEvent> all;
  for (LogEvent& event : queue_) {
    if (!event.line.cursor.empty()) told_[event.instance] = event.line.cursor;
    event.cursors = format_cursors(told_);
    all.push_back(std::move(event));
  }
  queue_.clear();
  queued_bytes_ = 0;
  moved_.notify();
  co_return all;
}

void LogFollow::cancel() {
  cancelled_ = true;
  for (auto const& [name, stream] : streams_)
    stream->cancel();
  moved_.notify();
}

}  // namespace drover::fleet
