#include "unit/switchboard.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace drover::unit {

namespace {

constexpr Millis kBackoffFirst{20};
constexpr Millis kBackoffMax{1000};
// A server that answers an empty or known inbox at once must not make us spin.
constexpr Millis kInboxPause{200};
constexpr Millis kConnectWithin{2000};

int poll_timeout(BootTime now, BootTime deadline) {
  constexpr Millis kMax{60'000};
  if (deadline <= now) return 0;
  return static_cast<int>(std::min(std::chrono::ceil<Millis>(deadline - now), kMax).count());
}

}  // namespace

net::Headers Endpoint::headers() const {
  net::Headers out;
  out.add("Authorization", "Bearer " + token.reveal());
  return out;
}

Switchboard::Switchboard(Endpoint const& endpoint, Clock const& clock, int signals)
    : endpoint_(&endpoint), clock_(&clock), signals_(signals) {}

bool Switchboard::must_stop() const {
  return fate_ != Fate::running || (in_turn_ && interrupted_);
}

agent::Wake Switchboard::wait(std::span<pollfd> descriptors, BootTime deadline) {
  for (;;) {
    pump();
    bool own = false;
    agent::Wake const wake = poll_once(descriptors, deadline, own);
    if (must_stop()) return agent::Wake::interrupted;
    if (wake == agent::Wake::ready) return wake;
    if (!own && clock_->boot_now() >= deadline) return agent::Wake::deadline;
  }
}

// One poll(). `own` says that something of the switchboard's own was served.
agent::Wake Switchboard::poll_once(std::span<pollfd> descriptors, BootTime deadline, bool& own) {
  if (must_stop()) deadline = BootTime{};
  if (auto const due = next_own_deadline()) deadline = std::min(deadline, *due);
  polled_.assign(descriptors.begin(), descriptors.end());
  int const inbox_fd = inbox_.awaiting ? inbox_.client->fd() : -1;
  int const events_fd = events_.awaiting ? events_.client->fd() : -1;
  polled_.push_back({inbox_fd, POLLIN, 0});
  polled_.push_back({events_fd, POLLIN, 0});
  polled_.push_back({signals_, POLLIN, 0});
  int const ready =
      ::poll(polled_.data(), polled_.size(), poll_timeout(clock_->boot_now(), deadline));
  if (ready <= 0) return agent::Wake::deadline;
  std::size_t const first_own = descriptors.size();
  bool theirs = false;
  for (std::size_t i = 0; i < first_own; ++i) {
    descriptors[i].revents = polled_[i].revents;
    theirs = theirs || descriptors[i].revents != 0;
  }
  own = true;
  if (polled_[first_own].revents != 0) take_inbox_answer();
  if (polled_[first_own + 1].revents != 0) take_events_answer();
  if (polled_[first_own + 2].revents != 0) read_signals();
  return theirs ? agent::Wake::ready : agent::Wake::deadline;
}

std::optional<BootTime> Switchboard::next_own_deadline() const {
  std::optional<BootTime> next;
  auto const add = [&](BootTime time) { next = next ? std::min(*next, time) : time; };
  if (events_.awaiting) {
    add(events_.answer_by);
  } else if (!batch_.empty()) {
    add(events_.try_at);
  } else if (auto const due = outbox_.due()) {
    add(std::max(*due, events_.try_at));
  }
  add(inbox_.awaiting ? inbox_.answer_by : inbox_.try_at);
  return next;
}

void Switchboard::pump() {
  if (fate_ == Fate::fenced || fate_ == Fate::lost) return;
  pump_events();
  pump_inbox();
}

void Switchboard::pump_events() {
  BootTime const now = clock_->boot_now();
  if (events_.awaiting && now >= events_.answer_by)
    link_failed(events_, "the events", {ErrorCode::timeout, "no answer in time", {}});
  if (events_.awaiting || now < events_.try_at) return;
  if (batch_.empty()) {
    auto const due = outbox_.due();
    if (!due || now < *due) return;
    batch_ = outbox_.take_batch();
    ++batch_number_;
  }
  static_cast<void>(send(events_, "POST", fmt::format("/v1/events?batch={}", batch_number_), batch_,
                         kAnswerWait));
}

void Switchboard::pump_inbox() {
  BootTime const now = clock_->boot_now();
  if (inbox_.awaiting && now >= inbox_.answer_by)
    link_failed(inbox_, "the inbox", {ErrorCode::timeout, "no answer in time", {}});
  if (inbox_.awaiting || now < inbox_.try_at || fate_ != Fate::running) return;
  static_cast<void>(send(inbox_, "GET", fmt::format("/v1/inbox?wait_ms={}", kInboxWait.count()), {},
                         kInboxWait + kAnswerWait));
}

// A failure is dealt with by link_failed().
bool Switchboard::send(Link& link, std::string_view method, std::string const& target,
                       std::string_view body, Millis answer_within) {
  BootTime const now = clock_->boot_now();
  if (!link.client) {
    auto client = net::UnixClient::open(endpoint_->socket_path, *clock_);
    if (!client) {
      link_failed(link, target, client.error());
      return false;
    }
    link.client = *std::move(client);
  }
  net::Headers headers = endpoint_->headers();
  if (!body.empty()) headers.add("Content-Type", "application/x-ndjson");
  auto const started = link.client->start(method, target, headers, body, now + kConnectWithin);
  if (!started) {
    link_failed(link, target, started.error());
    return false;
  }
  link.awaiting = true;
  link.answer_by = now + answer_within;
  return true;
}

void Switchboard::link_failed(Link& link, std::string_view what, Error const& error) {
  BootTime const now = clock_->boot_now();
  link.awaiting = false;
  link.client.reset();
  if (!link.failing_since) link.failing_since = now;
  link.backoff = std::clamp(link.backoff * 2, kBackoffFirst, kBackoffMax);
  link.try_at = now + link.backoff;
  if (now - *link.failing_since < kServerGoneMax) return;
  decide(Fate::lost, fmt::format("the server has been gone for {} s ({}): {}",
                                 kServerGoneMax.count() / 1000, what, error.message));
}

void Switchboard::link_works(Link& link) {
  link.awaiting = false;
  link.failing_since.reset();
  link.backoff = Millis{0};
  link.try_at = BootTime{};
}

void Switchboard::take_events_answer() {
  net::UnixClient& client = *events_.client;
  if (auto const read = client.on_readable(); !read) {
    link_failed(events_, "the events", read.error());
    return;
  }
  if (!client.done()) return;
  int const status = client.head()->status;
  std::string const body = client.take_body();
  // The server is well and its disk is full: it has not taken the batch, and will.
  if (status == http_status(ErrorCode::no_space)) {
    link_works(events_);
    events_.try_at = clock_->boot_now() + kNoSpaceWait;
    return;
  }
  if (status >= 500) {
    link_failed(events_, "the events", {ErrorCode::unavailable, printable(body, 200), {}});
    return;
  }
  link_works(events_);
  batch_.clear();
  if (status != 200) refused("the events", status, body);
}

void Switchboard::take_inbox_answer() {
  net::UnixClient& client = *inbox_.client;
  if (auto const read = client.on_readable(); !read) {
    link_failed(inbox_, "the inbox", read.error());
    return;
  }
  if (!client.done()) return;
  int const status = client.head()->status;
  std::string const body = client.take_body();
  if (status >= 500) {
    link_failed(inbox_, "the inbox", {ErrorCode::unavailable, printable(body, 200), {}});
    return;
  }
  BootTime const now = clock_->boot_now();
  BootTime const asked_at = inbox_.answer_by + -(kInboxWait + kAnswerWait);
  link_works(inbox_);
  if (status == 200) return take_inbox_item(body);
  if (status != 204) return refused("the inbox", status, body);
  if (now - asked_at < kInboxPause) inbox_.try_at = now + kInboxPause;
}

void Switchboard::take_inbox_item(std::string const& body) {
  auto item = parse_inbox_item(body);
  if (!item) {
    log::warn("inbox-item-refused", {{"error", item.error().message}});
    inbox_.try_at = clock_->boot_now() + kInboxPause;
    return;
  }
  switch (item->type) {
    case InboxItem::Type::interrupt:
      interrupted_ = true;
      return;
    case InboxItem::Type::stop:
      return decide(Fate::stopped, "asked to stop");
    case InboxItem::Type::unknown:
      log::warn("inbox-item-unknown");
      return;
    case InboxItem::Type::message:
      break;
  }
  bool const known = item->turn_id == turn_id_ ||
                     std::ranges::find(queue_, item->turn_id, &InboxItem::turn_id) != queue_.end();
  // It comes again until it is accepted, at the latest when its turn begins.
  if (known || queue_.size() >= kQueueMax) {
    inbox_.try_at = clock_->boot_now() + kInboxPause;
    return;
  }
  queue_.push_back(*std::move(item));
}

void Switchboard::refused(std::string_view what, int status, std::string const& body) {
  if (status == 409) return decide(Fate::fenced, "a newer attempt has taken over");
  decide(Fate::lost, fmt::format("the server refused {} with status {}: {}", what, status,
                                 printable(body, 200)));
}

void Switchboard::decide(Fate fate, std::string reason) {
  // A stop may still turn into a loss, but not the other way round.
  if (fate_ == Fate::fenced || fate_ == Fate::lost) return;
  fate_ = fate;
  fate_reason_ = std::move(reason);
}

void Switchboard::read_signals() {
  signalfd_siginfo info{};
  while (::read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
      decide(Fate::stopped, "asked to stop by a signal");
    // Between turns every child is an orphan that was left to us.
    if (info.ssi_signo == SIGCHLD && !in_turn_) {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
    }
  }
}

void Switchboard::emit(std::string line) {
  outbox_.add(std::move(line));
  if (events_.awaiting) take_events_answer();
  if (fate_ == Fate::running || fate_ == Fate::stopped) pump_events();
  if (outbox_.over_limit()) static_cast<void>(drain(clock_->boot_now() + kServerGoneMax));
}

void Switchboard::emit_delta(std::string_view type, std::string_view turn_id,
                             std::string_view text) {
  outbox_.add_delta(type, turn_id, text, clock_->boot_now());
  if (events_.awaiting) return;
  if (fate_ == Fate::running || fate_ == Fate::stopped) pump_events();
}

bool Switchboard::drain(BootTime deadline) {
  while (!batch_.empty() || !outbox_.empty()) {
    if (fate_ == Fate::fenced || fate_ == Fate::lost) return false;
    if (clock_->boot_now() >= deadline) return false;
    pump_events();
    if (batch_.empty() && outbox_.empty()) break;
    // The stop or interrupt that ended the turn must not end this wait too.
    pollfd descriptor{events_.awaiting ? events_.client->fd() : -1, POLLIN, 0};
    BootTime const wake = std::min(deadline, next_own_deadline().value_or(deadline));
    ::poll(&descriptor, 1, std::max(1, poll_timeout(clock_->boot_now(), wake)));
    if (events_.awaiting) take_events_answer();
  }
  return true;
}

std::optional<InboxItem> Switchboard::next_message(BootTime deadline) {
  while (queue_.empty()) {
    if (fate_ != Fate::running) return {};
    pump();
    bool own = false;
    static_cast<void>(poll_once({}, deadline, own));
    if (!own && queue_.empty() && clock_->boot_now() >= deadline) return {};
  }
  if (fate_ != Fate::running) return {};
  InboxItem item = std::move(queue_.front());
  queue_.pop_front();
  return item;
}

void Switchboard::turn_begins(std::string const& turn_id) {
  turn_id_ = turn_id;
  in_turn_ = true;
  interrupted_ = false;
}

void Switchboard::turn_ends() {
  in_turn_ = false;
  interrupted_ = false;
}

}  // namespace drover::unit
