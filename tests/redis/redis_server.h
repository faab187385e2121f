#pragma once
// For tests: a real redis-server of their own, on a free loopback port and a unix socket in a
// scratch folder, killed by the destructor.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "os/process.h"
#include "store/scratch.h"

namespace drover::test {

struct RedisServerOptions {
  // Further arguments: "--maxmemory", "4mb", …
  std::vector<std::string> arguments{};
  bool tls = false;
  bool keeps_data = false;  // an append-only file, synced every second
};

class RedisServer {
 public:
  explicit RedisServer(RedisServerOptions options = {});

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::string unix_url() const;
  // Of the certificate for "localhost" that it shows with tls.
  [[nodiscard]] std::string ca_file() const { return scratch_.path("ca.pem"); }

  void start();
  void kill();
  void pause();   // SIGSTOP
  void resume();  // SIGCONT
  // One command by redis-cli; what it printed.
  std::string cli(std::vector<std::string> words);

 private:
  void make_certificate();
  RedisServerOptions options_;
  store::Scratch scratch_;
  std::uint16_t port_ = 0;
  std::optional<os::Process> process_;
};

}  // namespace drover::test
