#pragma once
// BullMQ in a Node.js process of its own, as a peer of `dispatch`: bench/peers/bullmq.js does what
// it is told over its stdin. Blocking.
#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "figures.h"
#include "machine.h"
#include "os/fd.h"
#include "os/process.h"

namespace drover::bench {

class BullMq {
 public:
  // nullptr, after a line on stderr that says what is missing, where it is not installed. The
  // Redis at `socket` outlives it; `sync` is when that one's log is synced.
  [[nodiscard]] static Result<std::unique_ptr<BullMq>> start(Scratch const& scratch,
                                                             std::string const& socket);

  [[nodiscard]] pid_t pid() const { return process_.pid(); }
  // No job is taken up from here on until one of the next three.
  [[nodiscard]] Status rest();
  [[nodiscard]] Status enqueue(int clients, int count);
  // All that were enqueued; `clients` at a time by one worker.
  [[nodiscard]] Status claim_and_ack(int clients);
  [[nodiscard]] Status cycle(int clients, int count);
  [[nodiscard]] Result<Samples> pickups(int count, Millis pause);

 private:
  BullMq(os::Process process, os::Fd in, os::Fd out)
      : process_(std::move(process)), in_(std::move(in)), out_(std::move(out)) {}
  [[nodiscard]] Result<json::value> answer();
  [[nodiscard]] Result<json::value> ask(json::object const& request);

  os::Process process_;
  os::Fd in_;
  os::Fd out_;
  std::string read_;  // behind the last answer
};

}  // namespace drover::bench
