#include "fleet/instance_places.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <utility>

#include "base/text.h"
#include "os/files.h"

namespace drover::fleet {

using std::chrono::steady_clock;

namespace {

constexpr Millis kAskAgain{1'000};

// As whom a process runs on the host: the effective one of /proc/<pid>/status.
Result<uid_t> user_of(pid_t pid) {
  auto const status = os::read_file(fmt::format("/proc/{}/status", pid));
  if (!status) return std::unexpected(status.error());
  constexpr std::string_view kLine = "\nUid:\t";
  auto const at = status->find(kLine);
  if (at == std::string::npos)
    return fail(ErrorCode::internal, "/proc/{}/status names no user", pid);
  auto const users = split(std::string_view{*status}.substr(at + kLine.size()), '\t');
  uid_t user = 0;
  if (users.size() > 1) std::from_chars(users[1].data(), users[1].data() + users[1].size(), user);
  if (user == 0) return fail(ErrorCode::internal, "the program {} runs as root", pid);
  return user;
}

}  // namespace

InstancePlaces::InstancePlaces(boost::asio::any_io_executor const& executor, Reconciler& reconciler)
    : reconciler_(reconciler), stopped_(executor), tasks_(executor, "places") {
  reconciler_.on_live(
      [this](LiveInstance const& instance, LiveChange change) { hear(instance, change); });
}

void InstancePlaces::connect(ResidentBackend& backend) {
  backend.on_heard([this](std::string const& instance, bool busy) {
    reconciler_.beat(instance, busy ? Busy::yes : Busy::no);
  });
}

Task<void> InstancePlaces::stop() {
  stopping_ = true;
  stopped_.notify();
  co_await tasks_.join();
}

void InstancePlaces::hear(LiveInstance const& instance, LiveChange change) {
  if (change == LiveChange::gone) {
    comings_.erase(instance.name);
    if (places_.erase(instance.name) > 0) changed_();
    return;
  }
  if (stopping_) return;
  comings_[instance.name] = ++coming_;
  tasks_.spawn(recognise(instance, coming_), "recognise");
}

// An engine that does not answer is asked again, for as long as the instance lives.
Task<void> InstancePlaces::recognise(LiveInstance instance, std::uint64_t coming) {
  while (!stopping_) {
    auto const still = [&] {
      auto const last = comings_.find(instance.name);
      return last != comings_.end() && last->second == coming;
    };
    if (!still()) co_return;
    std::string name = instance.name;
    auto const program = co_await reconciler_.program(std::move(name));
    if (!still() || stopping_) co_return;
    // The engine says which process it is, and that one as whom it runs: what it is to write has
    // to be mapped to that user.
    auto const user = program ? user_of(*program) : std::unexpected(program.error());
    if (user) {
      TurnPlace place;
      place.name = instance.name;
      place.agent = instance.of.agent;
      place.program = *program;
      place.uid = *user;
      place.line_folder = line_folder(reconciler_.places(), instance.name);
      place.walls_required = instance.backend == "process";
      places_.insert_or_assign(instance.name, std::move(place));
      changed_();
      co_return;
    }
    auto const seen = stopped_.version();
    co_await stopped_.wait(seen, steady_clock::now() + kAskAgain);
  }
}

std::vector<TurnPlace> InstancePlaces::open() const {
  std::vector<TurnPlace> all;
  for (auto const& [name, place] : places_)
    all.push_back(place);
  return all;
}

std::string InstancePlaces::why_none(std::string_view agent) const {
  std::string why;
  for (auto const& status : reconciler_.status()) {
    if (status.instance.of.agent != agent || !status.wanted) continue;
    if (!why.empty()) why += "; ";
    bool const works = status.health.state == State::running && status.busy == Busy::yes;
    why += fmt::format(
        "{} {}", status.instance.name,
        works ? "works on another turn" : fmt::format("is {}", to_string(status.health.state)));
    if (!status.health.reason.empty()) why += fmt::format(" ({})", status.health.reason);
  }
  return why.empty() ? "it has none" : why;
}

Task<Status> InstancePlaces::freeze(std::string instance) {
  return reconciler_.freeze(std::move(instance));
}
Task<Status> InstancePlaces::thaw(std::string instance) {
  return reconciler_.thaw(std::move(instance));
}
void InstancePlaces::replace(std::string const& instance, pid_t program) {
  reconciler_.replace(instance, program);
}

}  // namespace drover::fleet
