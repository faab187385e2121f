#include "driver/journal_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "os/blocking_pool.h"
#include "workflow/event.h"

namespace drover::driver {

namespace asio = boost::asio;

struct JournalWatch::State {
  State(asio::any_io_executor const& executor, OnEntry told)
      : stream(executor), on_entry(std::move(told)) {}

  void heard(inotify_event const& event, std::string_view name);
  static Task<void> follow(std::shared_ptr<State> state);

  asio::posix::stream_descriptor stream;
  OnEntry on_entry;
  std::map<int, std::string> runs{};  // by watch
  std::map<std::string, int> watches{};
};

namespace {

constexpr std::uint32_t kNewNames = IN_MOVED_TO | IN_CREATE | IN_ONLYDIR;

// The entries of one read, which the kernel never cuts.
template <class Told>
void each_event(char const* bytes, std::size_t size, Told const& told) {
  for (std::size_t at = 0; at + sizeof(inotify_event) <= size;) {
    inotify_event event{};
    std::memcpy(&event, bytes + at, sizeof event);
    char const* const name = bytes + at + sizeof event;
    told(event, std::string_view{name, ::strnlen(name, event.len)});
    at += sizeof event + event.len;
  }
}

}  // namespace

void JournalWatch::State::heard(inotify_event const& event, std::string_view name) {
  // The kernel has dropped some: all are looked at.
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    auto const all = watches;
    for (auto const& [run, watch] : all)
      on_entry(run, UINT64_MAX);
    return;
  }
  auto const run = runs.find(event.wd);
  auto const entry = workflow::parse_file_name(name);
  if (run == runs.end() || !entry) return;
  std::string const id = run->second;  // the listener may take the run off
  on_entry(id, entry->seq);
}

Task<void> JournalWatch::State::follow(std::shared_ptr<State> state) {
  std::array<char, 16384> bytes{};
  for (;;) {
    auto const [error, size] = co_await state->stream.async_read_some(
        asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    each_event(bytes.data(), size, [&](inotify_event const& event, std::string_view name) {
      state->heard(event, name);
    });
  }
}

Result<std::unique_ptr<JournalWatch>> JournalWatch::create(asio::any_io_executor const& executor,
                                                           OnEntry on_entry) {
  int const fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return fail_errno("watch", "the journals of workflows");
  auto state = std::make_shared<State>(executor, std::move(on_entry));
  state->stream.assign(fd);
  asio::co_spawn(executor, State::follow(state), asio::detached);
  return std::unique_ptr<JournalWatch>{new JournalWatch{std::move(state)}};
}

JournalWatch::JournalWatch(std::shared_ptr<State> state) : state_(std::move(state)) {}

JournalWatch::~JournalWatch() {
  boost::system::error_code ignored;
  state_->on_entry = [](std::string const&, std::uint64_t) {};
  state_->stream.close(ignored);
}

Status JournalWatch::add(std::string const& run, workflow::RunFolder const& folder) {
  if (state_->watches.contains(run)) return {};
  int const watch =
      ::inotify_add_watch(state_->stream.native_handle(), folder.journal().c_str(), kNewNames);
  if (watch < 0) return fail_errno("watch", folder.journal());
  state_->runs[watch] = run;
  state_->watches[run] = watch;
  return {};
}

void JournalWatch::remove(std::string const& run) {
  auto const found = state_->watches.find(run);
  if (found == state_->watches.end()) return;
  ::inotify_rm_watch(state_->stream.native_handle(), found->second);
  state_->runs.erase(found->second);
  state_->watches.erase(found);
}

}  // namespace drover::driver
