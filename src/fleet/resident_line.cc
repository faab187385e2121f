#include "fleet/resident_line.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "net/unix_address.h"
#include "os/fd.h"

namespace drover::fleet {

namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kPieceBytes = 16384;
constexpr std::size_t kLineMax = std::size_t{64} << 10U;    // of what comes
constexpr std::size_t kUnsentMax = std::size_t{16} << 20U;  // of what goes
constexpr int kBacklog = 8;

Result<os::Fd> listen_at(std::string const& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("remove", path);
  os::Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.valid()) return fail_errno("create", "a socket");
  auto const address = net::UnixAddress::of(path);
  if (!address) return std::unexpected(address.error());
  if (::bind(socket.get(), address->get(), address->size()) != 0) return fail_errno("bind", path);
  // Its folder is seen by this instance alone, whose program is a user of its own.
  if (::chmod(path.c_str(), 0666) != 0) return fail_errno("open up", path);
  if (::listen(socket.get(), kBacklog) != 0) return fail_errno("listen on", path);
  return socket;
}

std::optional<pid_t> peer_of(stream_protocol::socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return std::nullopt;
  return peer.pid;
}

json::array texts(std::vector<std::string> const& all) {
  json::array made;
  for (std::string const& text : all)
    made.push_back(json::string{text});
  return made;
}

std::vector<std::string> texts_at(json::object const& object, std::string_view key) {
  std::vector<std::string> found;
  auto const* const value = object.if_contains(key);
  auto const* const items = value == nullptr ? nullptr : value->if_array();
  if (items == nullptr) return found;
  for (json::value const& item : *items)
    if (item.is_string()) found.emplace_back(item.get_string());
  return found;
}

std::string line_of(json::object const& order) {
  return json::serialize(order) + "\n";
}

}  // namespace

class ResidentLine::Core : public std::enable_shared_from_this<ResidentLine::Core> {
 public:
  Core(asio::any_io_executor executor, std::string path, Hooks hooks)
      : executor_(std::move(executor)),
        path_(std::move(path)),
        hooks_(std::move(hooks)),
        acceptor_(executor_) {}

  Status listen() {
    auto socket = listen_at(path_);
    if (!socket) return std::unexpected(socket.error());
    boost::system::error_code error;
    acceptor_.assign(stream_protocol{}, socket->get(), error);
    if (error) return fail(ErrorCode::internal, "cannot watch {}: {}", path_, error.message());
    (void)socket->release();
    asio::co_spawn(executor_, accept_all(shared_from_this()), asio::detached);
    return {};
  }

  [[nodiscard]] bool connected() const { return greeted_; }

  Status send(std::string line) {
    if (!greeted_) return fail(ErrorCode::unavailable, "the resident's program is not connected");
    unsent_bytes_ += line.size();
    if (unsent_bytes_ > kUnsentMax) {
      hang_up();
      return fail(ErrorCode::unavailable, "the resident's program does not read");
    }
    unsent_.push_back(std::move(line));
    if (!writing_) {
      writing_ = true;
      asio::co_spawn(executor_, write_all(shared_from_this(), line_), asio::detached);
    }
    return {};
  }

  void close() {
    closed_ = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    hang_up();
    ::unlink(path_.c_str());
  }

 private:
  using Socket = std::shared_ptr<stream_protocol::socket>;

  void hang_up() {
    boost::system::error_code ignored;
    if (line_ != nullptr) line_->close(ignored);
  }

  static Task<void> accept_all(std::shared_ptr<Core> core) {
    while (!core->closed_) {
      auto [error, socket] = co_await core->acceptor_.async_accept(kTuple);
      if (core->closed_) co_return;
      if (error) {
        log::error("line-not-accepted", {{"socket", core->path_}, {"reason", error.message()}});
        co_return;
      }
      auto const peer = peer_of(socket);
      // What has not been recognised yet, tries again in a moment.
      if (!peer || !core->hooks_.is_program(*peer)) continue;
      core->hang_up();
      core->begin(std::make_shared<stream_protocol::socket>(std::move(socket)));
    }
  }

  void begin(Socket line) {
    line_ = std::move(line);
    greeted_ = false;
    writing_ = false;
    unsent_.clear();
    unsent_bytes_ = 0;
    asio::co_spawn(executor_, read_all(shared_from_this(), line_), asio::detached);
  }

  static Task<void> read_all(std::shared_ptr<Core> core, Socket line) {
    std::array<char, kPieceBytes> piece{};
    std::string received;
    for (;;) {
      auto const [error, size] = co_await line->async_read_some(asio::buffer(piece), kTuple);
      if (core->closed_ || core->line_ != line) co_return;
      if (error) break;
      received.append(piece.data(), size);
      core->hooks_.heard();
      core->take_lines(received);
      if (core->closed_ || core->line_ != line) co_return;
      if (received.size() > kLineMax) {
        log::warn("resident-line-too-long", {{"socket", core->path_}});
        break;
      }
    }
    core->hang_up();
    core->line_.reset();
    core->greeted_ = false;
    core->hooks_.lost();
  }

  void take_lines(std::string& received) {
    for (auto end = received.find('\n'); end != std::string::npos; end = received.find('\n')) {
      std::string const text = received.substr(0, end);
      received.erase(0, end + 1);
      take(text);
    }
  }

  void take(std::string const& text) {
    auto const value = parse_json(text);
    auto const* const object = value ? value->if_object() : nullptr;
    if (object == nullptr) {
      log::warn("resident-line-not-understood", {{"socket", path_}, {"line", printable(text)}});
      return;
    }
    auto const type = string_or(*object, "type", "");
    std::string const id{string_or(*object, "id", "")};
    if (type == "hello") {
      greeted_ = true;
      hooks_.connected(texts_at(*object, "running"));
    } else if (type == "ended") {
      hooks_.ended(id, static_cast<int>(integer_or(*object, "status", -1) & 0xff));
    } else if (type == "failed") {
      hooks_.failed(id, std::string{string_or(*object, "message", "")});
    } else if (type == "output") {
      hooks_.output(id, string_or(*object, "stream", "out") == "err",
                    std::string{string_or(*object, "text", "")});
    }
  }

  static Task<void> write_all(std::shared_ptr<Core> core, Socket line) {
    while (core->line_ == line && !core->unsent_.empty()) {
      std::string const text = std::move(core->unsent_.front());
      core->unsent_.pop_front();
      auto const [error, size] = co_await asio::async_write(*line, asio::buffer(text), kTuple);
      if (core->line_ != line) co_return;
      core->unsent_bytes_ -= text.size();
      if (error || size != text.size()) core->hang_up();
      if (error) co_return;
    }
    if (core->line_ == line) core->writing_ = false;
  }

  asio::any_io_executor executor_;
  std::string path_;
  Hooks hooks_;
  stream_protocol::acceptor acceptor_;
  Socket line_;
  std::deque<std::string> unsent_;
  std::size_t unsent_bytes_ = 0;
  bool greeted_ = false;
  bool writing_ = false;
  bool closed_ = false;
};

ResidentLine::ResidentLine(asio::any_io_executor executor, std::string path, Hooks hooks)
    : core_(std::make_shared<Core>(std::move(executor), std::move(path), std::move(hooks))) {}

ResidentLine::~ResidentLine() {
  core_->close();
}

Status ResidentLine::listen() {
  return core_->listen();
}
bool ResidentLine::connected() const {
  return core_->connected();
}
Status ResidentLine::send(std::string line) {
  return core_->send(std::move(line));
}
void ResidentLine::close() {
  core_->close();
}

std::string unit_order(runtime::WorkloadSpec const& spec, std::vector<std::string> const& writable,
                       bool walls_required) {
  return line_of({{"type", "unit"},
                  {"id", json::string{spec.id.str()}},
                  {"cwd", json::string{spec.sandbox.cwd}},
                  {"env", texts(spec.sandbox.env)},
                  {"writable", texts(writable)},
                  {"walls_required", walls_required}});
}

std::string command_order(CommandOrder const& command) {
  return line_of({{"type", "command"},
                  {"id", json::string{command.id}},
                  {"argv", texts(command.argv)},
                  {"cwd", json::string{command.cwd}},
                  {"env", texts(command.env)},
                  {"writable", texts(command.writable)},
                  {"walls_required", command.walls_required}});
}

std::string signal_order(std::string_view id, int number) {
  return line_of({{"type", "signal"}, {"id", json::string{id}}, {"number", number}});
}

}  // namespace drover::fleet
