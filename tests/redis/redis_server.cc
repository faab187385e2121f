#include "redis/redis_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "base/text.h"
#include "harness/free_port.h"
#include "os/files.h"

namespace drover::test {

namespace {

constexpr std::chrono::seconds kStart{10};

os::Process spawn(os::ProcessSpec const& spec) {
  auto process = os::Process::spawn(spec);
  if (!process) throw std::runtime_error(process.error().text());
  return std::move(*process);
}

}  // namespace

RedisServer::RedisServer(RedisServerOptions options)
    : options_(std::move(options)), port_(harness::free_port()) {
  if (options_.tls) make_certificate();
  start();
}

std::string RedisServer::url() const {
  if (options_.tls) return fmt::format("rediss://localhost:{}?ca_file={}", port_, ca_file());
  return fmt::format("redis://127.0.0.1:{}", port_);
}

std::string RedisServer::unix_url() const {
  return "unix://" + scratch_.path("redis.sock");
}

void RedisServer::make_certificate() {
  os::ProcessSpec spec;
  spec.argv = {"openssl",
               "req",
               "-x509",
               "-newkey",
               "ec",
               "-pkeyopt",
               "ec_paramgen_curve:P-256",
               "-nodes",
               "-days",
               "1",
               "-subj",
               "/CN=localhost",
               "-addext",
               "subjectAltName=DNS:localhost",
               "-keyout",
               scratch_.path("key.pem"),
               "-out",
               ca_file()};
  auto process = spawn(spec);
  auto const ended = process.wait(Millis{10'000});
  if (!ended || !*ended || !(*ended)->ok()) throw std::runtime_error("openssl made no certificate");
}

void RedisServer::start() {
  os::Fd const log{
      ::open(scratch_.path("redis.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  std::string const port = fmt::to_string(port_);
  os::ProcessSpec spec;
  spec.argv = {"redis-server",
               "--bind",
               "127.0.0.1",
               "--dir",
               scratch_.path("."),
               "--unixsocket",
               scratch_.path("redis.sock"),
               "--save",
               "",
               "--appendonly",
               options_.keeps_data ? "yes" : "no",
               "--appendfsync",
               "everysec",
               "--enable-debug-command",
               "local"};
  if (options_.tls) {
    for (std::string const& word :
         {std::string{"--port"}, std::string{"0"}, std::string{"--tls-port"}, port,
          std::string{"--tls-cert-file"}, ca_file(), std::string{"--tls-key-file"},
          scratch_.path("key.pem"), std::string{"--tls-auth-clients"}, std::string{"no"}})
      spec.argv.push_back(word);
  } else {
    spec.argv.insert(spec.argv.end(), {"--port", port});
  }
  spec.argv.insert(spec.argv.end(), options_.arguments.begin(), options_.arguments.end());
  spec.out = log.get();
  spec.err = log.get();
  process_.emplace(spawn(spec));
  auto const deadline = std::chrono::steady_clock::now() + kStart;
  while (!cli({"PING"}).contains("PONG") && !cli({"PING"}).contains("NOAUTH")) {
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("redis-server did not start: " +
                               os::read_file(scratch_.path("redis.log"), 1 << 20U).value_or(""));
    std::this_thread::sleep_for(Millis{5});
  }
}

void RedisServer::kill() {
  process_.reset();
}

void RedisServer::pause() {
  if (auto done = process_->signal(SIGSTOP); !done) throw std::runtime_error(done.error().text());
}

void RedisServer::resume() {
  if (auto done = process_->signal(SIGCONT); !done) throw std::runtime_error(done.error().text());
}

std::string RedisServer::cli(std::vector<std::string> words) {
  std::string const out = scratch_.path("cli.out");
  os::Fd const file{::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  os::ProcessSpec spec;
  spec.argv = {"redis-cli", "-s", scratch_.path("redis.sock")};
  spec.argv.insert(spec.argv.end(), words.begin(), words.end());
  spec.env = {"PATH=/usr/bin:/bin"};
  spec.out = file.get();
  spec.err = file.get();
  auto process = spawn(spec);
  auto const ended = process.wait(Millis{10'000});
  if (!ended || !*ended) throw std::runtime_error("redis-cli did not end");
  return std::string{trim(os::read_file(out, 1 << 20U).value_or(""))};
}

}  // namespace drover::test
