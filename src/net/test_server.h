#pragma once
// For tests: a server on its own loop thread, and a blocking call into that loop.
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include "net/http_server.h"

namespace drover::net {

// One event loop on one thread, joined by the destructor.
class LoopThread {
 public:
  LoopThread() : work_(io.get_executor()), thread_([this] { io.run(); }) {}
  ~LoopThread() {
    work_.reset();
    thread_.join();
  }
  LoopThread(LoopThread const&) = delete;
  LoopThread& operator=(LoopThread const&) = delete;

  template <class T>
  T wait_for(Task<T> task) {
    return boost::asio::co_spawn(io, std::move(task), boost::asio::use_future).get();
  }
  // Runs a plain function on the loop's thread.
  template <class Work>
  auto call(Work work) {
    using Value = std::invoke_result_t<Work&>;
    std::packaged_task<Value()> task{std::move(work)};
    auto result = task.get_future();
    boost::asio::post(io, [&task] { task(); });
    return result.get();
  }

  boost::asio::io_context io;

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

class TestServer {
 public:
  explicit TestServer(Handler handler, HttpServerOptions options = {}) {
    server_ = loop_.call([&] {
      return std::move(
          HttpServer::listen_tcp(loop_.io, "127.0.0.1", 0, options, std::move(handler)).value());
    });
  }
  TestServer(std::string const& path, Handler handler, HttpServerOptions options = {}) {
    server_ = loop_.call([&] {
      return std::move(
          HttpServer::listen_unix(loop_.io, path, 0600, options, std::move(handler)).value());
    });
  }
  // NOLINTNEXTLINE(bugprone-exception-escape): what fails here may end the test program
  ~TestServer() { stop(); }
  TestServer(TestServer const&) = delete;
  TestServer& operator=(TestServer const&) = delete;

  void stop() {
    if (!server_) return;
    loop_.wait_for(server_->stop());
    loop_.call([&] { server_.reset(); });
  }

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] std::string url(std::string_view target) const {
    return fmt::format("http://127.0.0.1:{}{}", port(), target);
  }
  [[nodiscard]] std::size_t connections() {
    return loop_.call([&] { return server_->connections(); });
  }
  LoopThread& loop() { return loop_; }

 private:
  LoopThread loop_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace drover::net
