#pragma once
// An MCP server that is a program of ours: JSON-RPC, one message a line, over its standard streams.
// What it says beside them goes to the log, bounded and without its credentials.
//
// On the event loop.
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "gateway/mcp_launch.h"
#include "gateway/mcp_link.h"
#include "os/process.h"
#include "os/task_group.h"

namespace drover::gateway {

// Cuts a stream into lines. Pure.
class LineCutter {
 public:
  explicit LineCutter(std::size_t line_bytes_max) : bytes_max_(line_bytes_max) {}
  // The whole lines in it so far, without their ends; empty ones are left out. too_large for a line
  // above the bound, and then for all that follows.
  [[nodiscard]] Result<std::vector<std::string>> feed(std::string_view bytes);

 private:
  std::size_t bytes_max_;
  std::string held_;
  bool over_ = false;
};

class McpProcess final : public McpLink {
 public:
  // Starts it; whether it speaks MCP its first answer shows. `server` and `session` are for the
  // log.
  [[nodiscard]] static Task<Result<std::unique_ptr<McpLink>>> start(boost::asio::io_context& io,
                                                                    os::BlockingPool& pool,
                                                                    McpServer server,
                                                                    McpSecrets secrets,
                                                                    std::string session);
  ~McpProcess() override;

  Task<Result<RpcMessage>> request(McpRequest request) override;
  Task<Status> notify(std::string method) override;
  void speak(std::string /*version*/) override {}
  [[nodiscard]] bool is_broken() const override { return broken_; }
  Task<void> close() override;

 private:
  struct Ends {
    os::Process process;
    os::Fd in;
    os::Fd out;
    os::Fd err;
  };
  McpProcess(boost::asio::io_context& io, os::BlockingPool& pool, std::string server,
             McpSecrets secrets, Ends ends);
  [[nodiscard]] static Result<Ends> spawn(McpServer const& server, McpSecrets const& secrets);

  [[nodiscard]] Status queue(std::string line);
  Task<void> write_lines();
  Task<void> read_answers();
  Task<void> read_complaints();
  void take_line(std::string const& line);
  void say_given_up(std::int64_t id, std::string_view reason);
  void break_off(std::string why);
  [[nodiscard]] std::string without_secrets(std::string text) const;

  os::BlockingPool& pool_;
  std::string server_;
  McpSecrets secrets_;
  os::Process process_;
  boost::asio::posix::stream_descriptor in_;
  boost::asio::posix::stream_descriptor out_;
  boost::asio::posix::stream_descriptor err_;
  os::TaskGroup tasks_;
  os::AsyncEvent changed_;
  std::deque<std::string> lines_;  // to be written
  std::size_t lines_bytes_ = 0;
  std::int64_t last_id_ = 0;
  std::map<std::int64_t, std::optional<RpcMessage>> awaited_;  // by id; set once it has come
  bool broken_ = false;
  bool closing_ = false;
  std::string why_;
};

}  // namespace drover::gateway
