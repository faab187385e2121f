#include "gateway/mcp_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/log.h"
#include "base/text.h"
#include "gateway/stream_filter.h"

namespace drover::gateway {

namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::size_t kReadBytes = std::size_t{64} << 10U;
// What waits to be written to a program that does not read.
constexpr std::size_t kQueuedBytesMax = std::size_t{16} << 20U;
constexpr std::size_t kComplaintBytesMax = 2'000;
constexpr std::size_t kComplaintsMax = 200;  // lines of one program in the log
// For a program whose input has ended to put its things in order.
constexpr Millis kEndWithin{300};
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

struct Pipe {
  os::Fd read;
  os::Fd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("make", "a pipe");
  return Pipe{os::Fd{ends[0]}, os::Fd{ends[1]}};
}

}  // namespace

Result<std::vector<std::string>> LineCutter::feed(std::string_view bytes) {
  std::vector<std::string> lines;
  while (!bytes.empty() && !over_) {
    auto const end = bytes.find('\n');
    std::string_view const part = bytes.substr(0, end);
    over_ = held_.size() + part.size() > bytes_max_;
    if (over_) break;
    held_ += part;
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    auto const line = trim(held_);
    if (!line.empty()) lines.emplace_back(line);
    held_.clear();
  }
  if (!over_) return lines;
  held_.clear();
  return fail(ErrorCode::too_large, "a line has more than {} bytes", bytes_max_);
}

Result<McpProcess::Ends> McpProcess::spawn(McpServer const& server, McpSecrets const& secrets) {
  auto const user = mcp_user(server, ::geteuid());
  if (!user) return std::unexpected(user.error());
  DROVER_TRY(check_mcp_command(server));
  auto in = make_pipe();
  if (!in) return std::unexpected(in.error());
  auto out = make_pipe();
  if (!out) return std::unexpected(out.error());
  auto err = make_pipe();
  if (!err) return std::unexpected(err.error());
  os::ProcessSpec spec = mcp_process_spec(server, secrets, *user);
  spec.in = in->read.get();
  spec.out = out->write.get();
  spec.err = err->write.get();
  auto process = os::Process::spawn(spec);
  if (!process) return std::unexpected(process.error());
  return Ends{*std::move(process), std::move(in->write), std::move(out->read),
              std::move(err->read)};
}

Task<Result<std::unique_ptr<McpLink>>> McpProcess::start(boost::asio::io_context& io,
                                                         os::BlockingPool& pool, McpServer server,
                                                         McpSecrets secrets, std::string session) {
  auto ends = co_await pool.run(
      [server, secrets]() -> Result<Ends> { return McpProcess::spawn(server, secrets); });
  if (!ends) co_return std::unexpected(ends.error());
  log::info("mcp-started",
            {{"server", server.name}, {"session", session}, {"pid", ends->process.pid()}});
  std::unique_ptr<McpProcess> link{
      new McpProcess{io, pool, std::move(server.name), std::move(secrets), *std::move(ends)}};
  McpProcess* const made = link.get();
  made->tasks_.spawn(made->write_lines(), "write");
  made->tasks_.spawn(made->read_answers(), "read");
  made->tasks_.spawn(made->read_complaints(), "stderr");
  co_return std::unique_ptr<McpLink>{std::move(link)};
}

McpProcess::McpProcess(boost::asio::io_context& io, os::BlockingPool& pool, std::string server,
                       McpSecrets secrets, Ends ends)
    : pool_(pool),
      server_(std::move(server)),
      secrets_(std::move(secrets)),
      process_(std::move(ends.process)),
      in_(io, ends.in.release()),
      out_(io, ends.out.release()),
      err_(io, ends.err.release()),
      tasks_(io.get_executor(), "mcp"),
      changed_(io.get_executor()) {}

McpProcess::~McpProcess() = default;

std::string McpProcess::without_secrets(std::string text) const {
  for (auto const& [name, secret] : secrets_)
    text = KeyFilter::clean(std::move(text), secret);
  return text;
}

void McpProcess::break_off(std::string why) {
  if (broken_) return;
  broken_ = true;
  why_ = std::move(why);
  if (!closing_) log::warn("mcp-ended", {{"server", server_}, {"reason", why_}});
  changed_.notify();
}

Status McpProcess::queue(std::string line) {
  if (broken_) return fail(ErrorCode::unavailable, "{}", why_);
  line += '\n';
  if (lines_bytes_ + line.size() > kQueuedBytesMax)
    return fail(ErrorCode::unavailable, "the MCP server {} does not read what it is asked",
                server_);
  lines_bytes_ += line.size();
  lines_.push_back(std::move(line));
  changed_.notify();
  return {};
}

Task<void> McpProcess::write_lines() {
  while (!broken_) {
    auto const seen = changed_.version();
    if (lines_.empty()) {
      co_await changed_.wait(seen);
      continue;
    }
    std::string const line = std::move(lines_.front());
    lines_.pop_front();
    auto const [error, size] = co_await asio::async_write(in_, asio::buffer(line), kAwait);
    lines_bytes_ -= line.size();
    if (error) break_off(fmt::format("the MCP server {} has ended", server_));
  }
}

Task<void> McpProcess::read_answers() {
  LineCutter cutter{kRpcBytesMax};
  std::string buffer(kReadBytes, '\0');
  for (;;) {
    auto const [error, size] = co_await out_.async_read_some(asio::buffer(buffer), kAwait);
    if (error) {
      break_off(fmt::format("the MCP server {} has ended", server_));
      co_return;
    }
    auto const lines = cutter.feed(std::string_view{buffer}.substr(0, size));
    if (!lines) {
      break_off(fmt::format("the MCP server {}: {}", server_, lines.error().message));
      co_return;
    }
    for (std::string const& line : *lines)
      take_line(line);
  }
}

// Programs print all kinds of things; what is no message is a complaint.
void McpProcess::take_line(std::string const& line) {
  auto message = parse_rpc(line);
  if (!message) {
    log::warn("mcp-not-understood",
              {{"server", server_}, {"reason", printable(message.error().message, 300)}});
    return;
  }
  if (message->kind != RpcMessage::Kind::reply) {
    std::string answer = answer_to_server(*message);
    if (!answer.empty()) static_cast<void>(queue(std::move(answer)));
    return;
  }
  auto const* const id = message->id.if_int64();
  auto const found = id == nullptr ? awaited_.end() : awaited_.find(*id);
  if (found == awaited_.end()) return;  // given up meanwhile
  found->second = *std::move(message);
  changed_.notify();
}

Task<void> McpProcess::read_complaints() {
  LineCutter cutter{kReadBytes};
  std::string buffer(kReadBytes, '\0');
  std::size_t told = 0;
  for (;;) {
    auto const [error, size] = co_await err_.async_read_some(asio::buffer(buffer), kAwait);
    if (error) co_return;
    auto const lines = cutter.feed(std::string_view{buffer}.substr(0, size));
    if (!lines) cutter = LineCutter{kReadBytes};  // no program may fill the log
    if (!lines || told > kComplaintsMax) continue;
    for (std::string const& line : *lines) {
      ++told;
      if (told <= kComplaintsMax)
        log::info("mcp-said", {{"server", server_},
                               {"text", printable(without_secrets(line), kComplaintBytesMax)}});
      if (told == kComplaintsMax) log::warn("mcp-said-too-much", {{"server", server_}});
    }
  }
}

Task<Result<RpcMessage>> McpProcess::request(McpRequest request) {
  std::int64_t const id = ++last_id_;
  auto const queued = queue(print_rpc_request(id, request.method, request.params));
  if (!queued) co_return std::unexpected(queued.error());
  McpCancelPtr const cancel = request.cancel ? request.cancel : std::make_shared<McpCancel>();
  cancel->wake = [this] { changed_.notify(); };
  // Taken back wherever this is left.
  struct Awaited {
    std::map<std::int64_t, std::optional<RpcMessage>>* all;
    std::int64_t id;
    McpCancel* cancel;
    ~Awaited() {
      all->erase(id);
      cancel->wake = nullptr;
    }
  };
  awaited_.emplace(id, std::nullopt);
  Awaited const mine{&awaited_, id, cancel.get()};
  auto const deadline = steady_clock::now() + request.within;
  for (;;) {
    auto const seen = changed_.version();
    if (awaited_.at(id)) co_return *std::move(awaited_.at(id));
    if (broken_) co_return fail(ErrorCode::unavailable, "{}", why_);
    if (cancel->cancelled) {
      say_given_up(id, "cancelled");
      co_return fail(ErrorCode::cancelled, "nobody waits for the answer");
    }
    if (steady_clock::now() >= deadline) {
      say_given_up(id, "timeout");
      co_return fail(ErrorCode::timeout, "the MCP server {} did not answer in {} s", server_,
                     request.within.count() / 1000);
    }
    co_await changed_.wait(seen, deadline);
  }
}

// A program that does not read is told nothing more.
void McpProcess::say_given_up(std::int64_t id, std::string_view reason) {
  json::object const which{{"requestId", id}, {"reason", reason}};
  static_cast<void>(queue(print_rpc_notification("notifications/cancelled", which)));
}

Task<Status> McpProcess::notify(std::string method) {
  json::object nothing;
  co_return queue(print_rpc_notification(method, nothing));
}

Task<void> McpProcess::close() {
  closing_ = true;
  break_off("it is closed");
  // The end of its input is its notice to end; its namespace goes with it either way.
  boost::system::error_code ignored;
  in_.close(ignored);
  out_.close(ignored);
  err_.close(ignored);
  co_await tasks_.join();
  co_await pool_.run([process = std::move(process_)]() mutable {
    os::Process ended = std::move(process);  // its end kills and reaps it
    return ended.pid() < 0 || ended.wait(kEndWithin).has_value();
  });
}

std::string answer_to_server(RpcMessage const& message) {
  if (message.kind != RpcMessage::Kind::request) return {};
  if (message.method == "ping") return print_rpc_result(message.id, json::object{});
  return print_rpc_error(message.id, {kRpcNoMethod, "drover offers a server nothing but ping"});
}

}  // namespace drover::gateway
