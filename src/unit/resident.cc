#include "unit/resident.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/text.h"
#include "net/unix_address.h"
#include "os/fd.h"
#include "unit/resident_words.h"
#include "unit/walls.h"

namespace drover::unit {

namespace {

constexpr Millis kConnectAgain{500};
constexpr std::size_t kPieceBytes = 8192;
// Of a child that could not become what it was to be.
constexpr int kNotBegun = 126;

struct Stream {
  os::Fd fd;
  std::string name;
};

struct Child {
  pid_t pid = -1;
  std::string id;
  bool command = false;
  std::vector<Stream> streams{};
  std::optional<int> status{};  // it has ended; what it wrote may be on its way
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> made;
  for (std::string& text : texts)
    made.push_back(text.data());
  made.push_back(nullptr);
  return made;
}

Result<os::Fd> connect_to(std::string const& path) {
  os::Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!fd.valid()) return fail_errno("create", "a socket");
  auto const address = net::UnixAddress::of(path);
  if (!address) return std::unexpected(address.error());
  if (::connect(fd.get(), address->get(), address->size()) != 0)
    return fail_errno("connect to", path);
  return fd;
}

class Resident {
 public:
  Resident(ResidentPlace const& place, std::string_view version, Clock const& clock, int signals)
      : place_(&place), version_(version), clock_(&clock), signals_(signals) {}

  int run() {
    while (!leaving_ || !children_.empty()) {
      if (!line_.valid() && clock_->boot_now() >= connect_at_) connect();
      wait();
    }
    log::info("resident-ends");
    return 0;
  }

 private:
  void connect() {
    connect_at_ = clock_->boot_now() + kConnectAgain;
    auto line = connect_to(place_->socket_path);
    if (!line) return;
    line_ = *std::move(line);
    received_.clear();
    beat_at_ = clock_->boot_now() + kHeartbeat;
    std::vector<std::string> running;
    for (Child const& child : children_)
      if (!child.status) running.push_back(child.id);
    say(hello_line(version_, running));
  }

  void hang_up() {
    line_.reset();
    connect_at_ = clock_->boot_now() + kConnectAgain;
  }

  // The server reads all the time; one that does not has gone.
  void say(std::string_view text) {
    while (line_.valid() && !text.empty()) {
      auto const sent = ::send(line_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return hang_up();
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  void wait() {
    std::vector<pollfd> polled;
    polled.push_back({signals_, POLLIN, 0});
    polled.push_back({line_.get(), POLLIN, 0});  // none: poll() leaves it out
    for (Child const& child : children_)
      for (Stream const& stream : child.streams)
        polled.push_back({stream.fd.get(), POLLIN, 0});
    auto const due = line_.valid() ? beat_at_ : connect_at_;
    auto const left = std::chrono::ceil<Millis>(due - clock_->boot_now()).count();
    int const timeout = static_cast<int>(std::max<std::int64_t>(left, 0));
    if (::poll(polled.data(), polled.size(), timeout) < 0 && errno != EINTR) return;
    if (line_.valid() && clock_->boot_now() >= beat_at_) {
      beat_at_ = clock_->boot_now() + kHeartbeat;
      say(heartbeat_line());
    }
    if (polled[0].revents != 0) take_signals();
    read_streams();
    if (polled[1].revents != 0) take_orders();
    forget_ended();
  }

  void take_signals() {
    signalfd_siginfo info{};
    while (::read(signals_, &info, sizeof info) == sizeof info) {
      int const number = static_cast<int>(info.ssi_signo);
      if (number == SIGCHLD) continue;
      leaving_ = true;
      for (Child const& child : children_)
        ::kill(child.command ? -child.pid : child.pid, SIGTERM);
    }
    int status = 0;
    for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0;
         pid = ::waitpid(-1, &status, WNOHANG)) {
      auto const found = std::ranges::find(children_, pid, &Child::pid);
      if (found == children_.end()) continue;  // an orphan of theirs
      found->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }

  void read_streams() {
    for (Child& child : children_)
      std::erase_if(child.streams, [&](Stream& stream) { return read_stream(child, stream); });
  }

  // Whether it is at its end.
  bool read_stream(Child const& child, Stream const& stream) {
    char piece[kPieceBytes];
    for (;;) {
      auto const count = ::read(stream.fd.get(), piece, sizeof piece);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) return false;
      if (count <= 0) return true;
      say(output_line(child.id, stream.name, {piece, static_cast<std::size_t>(count)}));
    }
  }

  // What a command left in the background may keep its streams open: they are not waited for.
  void forget_ended() {
    for (auto child = children_.begin(); child != children_.end();) {
      if (!child->status) {
        ++child;
        continue;
      }
      for (Stream const& stream : child->streams)
        (void)read_stream(*child, stream);
      // What a turn left behind goes with it; only where this program is that of a container.
      if (!child->command && ::getpid() == 1) ::kill(-1, SIGKILL);
      say(ended_line(child->id, *child->status));
      child = children_.erase(child);
    }
  }

  void take_orders() {
    char piece[kPieceBytes];
    auto const count = ::recv(line_.get(), piece, sizeof piece, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return hang_up();
    received_.append(piece, static_cast<std::size_t>(count));
    for (auto end = received_.find('\n'); end != std::string::npos; end = received_.find('\n')) {
      std::string const line = received_.substr(0, end);
      received_.erase(0, end + 1);
      obey(line);
    }
    if (received_.size() > kResidentLineMax) hang_up();
  }

  void obey(std::string const& line) {
    auto order = parse_resident_order(line);
    if (!order) {
      log::error("order-not-understood", {{"reason", order.error().text()}});
      return;
    }
    switch (order->type) {
      case ResidentOrder::Type::unit:
        order->argv = {place_->program};
        begin(*std::move(order));
        break;
      case ResidentOrder::Type::command:
        begin(*std::move(order));
        break;
      case ResidentOrder::Type::signal:
        for (Child const& child : children_)
          if (child.id == order->id) ::kill(child.command ? -child.pid : child.pid, order->number);
        break;
      case ResidentOrder::Type::unknown:
        break;  // of a later server
    }
  }

  void begin(ResidentOrder order) {
    Child child;
    child.id = order.id;
    child.command = order.type == ResidentOrder::Type::command;
    auto const begun =
        leaving_ ? fail(ErrorCode::cancelled, "the resident ends") : fork(order, child);
    if (!begun) return say(failed_line(order.id, begun.error().text()));
    children_.push_back(std::move(child));
  }

  Status fork(ResidentOrder& order, Child& child) {
    int ends[2][2] = {{-1, -1}, {-1, -1}};
    os::Fd ours[2];
    os::Fd theirs[2];
    for (int i = 0; child.command && i < 2; ++i) {
      if (::pipe2(ends[i], O_CLOEXEC) != 0) return fail_errno("create", "a pipe");
      ours[i] = os::Fd{ends[i][0]};
      theirs[i] = os::Fd{ends[i][1]};
      if (::fcntl(ours[i].get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("prepare", "a pipe");
    }
    pid_t const pid = ::fork();
    if (pid < 0) return fail_errno("start", printable(order.argv.front()));
    if (pid == 0) become(order, theirs[0].get(), theirs[1].get());
    child.pid = pid;
    if (!child.command) return {};
    child.streams.push_back({std::move(ours[0]), "out"});
    child.streams.push_back({std::move(ours[1]), "err"});
    return {};
  }

  // One thread, so the child may do as it likes.
  [[noreturn]] static void become(ResidentOrder& order, int out, int err) {
    if (out >= 0) {
      ::setsid();
      int const null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (null >= 0) ::dup2(null, 0);
      ::dup2(out, 1);
      ::dup2(err, 2);
    }
    ::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    auto const need = order.walls_required ? WallNeed::required : WallNeed::if_available;
    Status ready = wall_in(order.writable, need);
    if (ready && ::chdir(order.cwd.c_str()) != 0) ready = fail_errno("enter", printable(order.cwd));
    if (ready) {
      auto argv = pointers(order.argv);
      auto env = pointers(order.env);
      ::execvpe(argv[0], argv.data(), env.data());
      ready = fail_errno("start", printable(order.argv.front()));
    }
    log::error("not-begun", {{"reason", ready.error().text()}});
    ::_exit(kNotBegun);
  }

  ResidentPlace const* place_;
  std::string version_;
  Clock const* clock_;
  int signals_;
  os::Fd line_;
  std::string received_;
  BootTime connect_at_{};
  BootTime beat_at_{};
  std::list<Child> children_;
  bool leaving_ = false;
};

}  // namespace

int run_resident(ResidentPlace const& place, std::string_view version, Clock const& clock,
                 int signals) {
  return Resident{place, version, clock, signals}.run();
}

}  // namespace drover::unit
