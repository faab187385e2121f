#pragma once
// For tests of the Docker backend: one over a real dockerd, which the tests of a suite share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "docker/docker_daemon.h"
#include "os/files.h"
#include "runtime/docker_backend.h"

namespace drover::runtime {

class DockerBackendTest : public ::testing::Test {
 protected:
  using Events = std::vector<std::string>;
  using DockerDaemon = test::DockerDaemon;
  static constexpr std::chrono::seconds kPatience{60};
  static constexpr uid_t kOwner = 4711;  // of workspaces: neither root nor a session

  static void SetUpTestSuite() { daemon_ = std::make_unique<DockerDaemon>(test::engine_kind()); }
  static void TearDownTestSuite() { daemon_.reset(); }

  void SetUp() override {
    char name[] = "/tmp/drover-docker-test-XXXXXX";
    ASSERT_NE(nullptr, ::mkdtemp(name));
    path_ = name;
    make();
  }
  void TearDown() override {
    if (backend_) EXPECT_TRUE(await(backend_->keep_warm({})));
    if (backend_)
      for (auto const& status : backend_->list())
        EXPECT_TRUE(await(backend_->destroy(status.id)));
    backend_.reset();
    EXPECT_THAT(containers(), testing::IsEmpty());
    EXPECT_THAT(os::read_file("/proc/self/mountinfo").value(),
                testing::Not(testing::HasSubstr(path_ + "/")));
    EXPECT_TRUE(os::remove_tree(path_));
  }

  void make(std::string const& host = daemon_->host()) {
    DockerBackendSettings settings;
    settings.engine = parse_engine_address(host, "").value();
    settings.folder = path_ + "/docker";
    settings.image = DockerDaemon::kImage;
    backend_ = std::make_unique<DockerBackend>(loop_, pool_, clock_, random_, settings);
    backend_->on_event([this](RuntimeEvent const& event) {
      events_.push_back(fmt::format("{}{}{}", to_string(event.state), event.stop_reason ? ":" : "",
                                    event.stop_reason ? to_string(*event.stop_reason) : ""));
    });
  }
  // As kill -9 of the server does: nothing is stopped, and what runs goes on.
  void restart() {
    backend_.reset();
    make();
  }

  template <class T>
  T await(Task<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop_, std::move(task), [&](std::exception_ptr const& error, T value) {
      EXPECT_FALSE(error);
      result = std::move(value);
    });
    until([&] { return result.has_value(); });
    return std::move(*result);
  }
  template <class Condition>
  void until(Condition condition) {
    loop_.restart();
    auto const deadline = std::chrono::steady_clock::now() + kPatience;
    // What held once may not hold when it is looked at again.
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= deadline)
        throw std::runtime_error("it did not come about in time");
      loop_.run_for(Millis{5});
      loop_.restart();
    }
  }
  WorkloadStatus until_ended(WorkloadId const& id) {
    until([&] { return !is_live(backend_->status(id)->state); });
    return backend_->status(id).value();
  }
  // Runs it to its end.
  WorkloadStatus run(WorkloadSpec spec) {
    auto const id = spec.id;
    auto const started = await(backend_->start(std::move(spec)));
    if (!started) throw std::runtime_error(started.error().text());
    return until_ended(id);
  }

  static WorkloadSpec script(std::string const& text) {
    static int count = 0;
    WorkloadSpec spec;
    spec.id = WorkloadId::trusted(fmt::format("dk-{}-{}", ::getpid(), ++count));
    spec.profile = "test";
    spec.sandbox.argv = {"/bin/sh", "-c", text};
    spec.sandbox.env = {"PATH=/bin"};
    return spec;
  }
  std::string workspace(std::string const& name = "ws") const {
    std::string path = path_ + "/" + name;
    std::filesystem::create_directories(path + "/.git");
    std::ofstream{path + "/README"} << "hello\n";
    std::ofstream{path + "/.git/HEAD"} << "ref\n";
    for (auto const* const part : {"", "/.git", "/README", "/.git/HEAD"})
      EXPECT_EQ(0, ::lchown((path + part).c_str(), kOwner, kOwner));
    return path;
  }
  std::string containers() { return daemon_->cli({"ps", "-aq", "--no-trunc"}); }
  std::string the_container() {
    auto const all = containers();
    EXPECT_EQ(all.find('\n'), std::string::npos) << all;
    return all;
  }

  inline static std::unique_ptr<DockerDaemon> daemon_;
  std::string path_;
  SystemClock clock_;
  SystemRandom random_;
  boost::asio::io_context loop_;
  os::BlockingPool pool_{2};
  Events events_;
  std::unique_ptr<DockerBackend> backend_;
};

}  // namespace drover::runtime
