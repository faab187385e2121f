#pragma once
// A redis-server of one's own, on a socket in the scratch folder, and one connection to it: the
// peer of `dispatch`. Blocking.
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "machine.h"
#include "os/process.h"

struct redisContext;

namespace drover::bench {

// `append_sync` is Redis's own word for when its log is synced: "always", "everysec". The server
// goes with the object.
class RedisServer {
 public:
  [[nodiscard]] static Result<RedisServer> start(Scratch const& scratch,
                                                 std::string const& append_sync);
  [[nodiscard]] std::string const& socket() const { return socket_; }
  [[nodiscard]] pid_t pid() const { return process_.pid(); }

  // For `chaos`: SIGKILL, the program again over what it left, SIGSTOP and SIGCONT.
  [[nodiscard]] Status kill();
  [[nodiscard]] Status launch();
  [[nodiscard]] Status pause() { return process_.signal(SIGSTOP); }
  [[nodiscard]] Status resume() { return process_.signal(SIGCONT); }

 private:
  RedisServer(os::ProcessSpec spec, os::Process process, std::string socket)
      : spec_(std::move(spec)), process_(std::move(process)), socket_(std::move(socket)) {}
  [[nodiscard]] Status wait_until_ready() const;
  os::ProcessSpec spec_;
  os::Process process_;
  std::string socket_;
};

class RedisClient {
 public:
  [[nodiscard]] static Result<RedisClient> connect(std::string const& socket);

  using Words = std::vector<std::string>;
  // Commands sent together, answered in order; an error reply is an error here. What they answered
  // is not looked at.
  [[nodiscard]] Status run(std::vector<Words> const& commands);
  // Up to `count` messages of the stream `jobs` for the group `workers`; their ids. Waits for the
  // first where `block` is not 0.
  [[nodiscard]] Result<Words> read_group(std::string const& consumer, std::size_t count,
                                         Millis block);

 private:
  struct Close {
    void operator()(redisContext* context) const;
  };
  explicit RedisClient(redisContext* context) : context_(context) {}
  [[nodiscard]] Error error() const;
  std::unique_ptr<redisContext, Close> context_;
};

}  // namespace drover::bench
