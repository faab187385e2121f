#pragma once
// The server's end of one instance's line: a unix socket in a folder that only this instance sees.
// Whoever connects must be its program itself and nothing that runs beside it, for what is sent
// holds tokens; and what comes is untrusted all the same. unit/resident_words.h has the words.
//
// On the event loop. Life: listen, any number of connections, close.
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/error.h"
#include "os/blocking_pool.h"
#include "runtime/runtime.h"

namespace drover::fleet {

class ResidentLine {
 public:
  struct Hooks {
    std::function<bool(pid_t)> is_program;  // whether a process of the host is
    // It said hello; what runs there as it says.
    std::function<void(std::vector<std::string> const& running)> connected;
    std::function<void()> lost;   // the connection
    std::function<void()> heard;  // anything, heartbeats too
    std::function<void(std::string const& id, int status)> ended;
    std::function<void(std::string const& id, std::string const& message)> failed;
    std::function<void(std::string const& id, bool error_stream, std::string const& text)> output;
  };

  ResidentLine(boost::asio::any_io_executor executor, std::string path, Hooks hooks);
  ~ResidentLine();
  ResidentLine(ResidentLine const&) = delete;
  ResidentLine& operator=(ResidentLine const&) = delete;

  [[nodiscard]] Status listen();
  [[nodiscard]] bool connected() const;
  // One order, with its newline. unavailable where the program is not connected.
  [[nodiscard]] Status send(std::string line);
  // No hook is called from here on.
  void close();

 private:
  class Core;
  std::shared_ptr<Core> core_;  // shared with the coroutines that are under way
};

// The orders, each with its newline.
[[nodiscard]] std::string unit_order(runtime::WorkloadSpec const& spec,
                                     std::vector<std::string> const& writable, bool walls_required);
struct CommandOrder {
  std::string id{};
  std::vector<std::string> argv{};
  std::vector<std::string> env{};
  std::string cwd{};
  std::vector<std::string> writable{};
  bool walls_required = false;
};
[[nodiscard]] std::string command_order(CommandOrder const& command);
[[nodiscard]] std::string signal_order(std::string_view id, int number);

}  // namespace drover::fleet
