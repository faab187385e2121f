// The kernel over real sandboxes, a real store, and callbacks to a real server.
#include "runtime/workload_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>

#include "net/http_server.h"
#include "os/files.h"
#include "runtime/process_backend.h"
#include "store/scratch.h"

namespace drover::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};

std::shared_ptr<sandbox::Launcher> launcher() {
  static auto const shared = sandbox::Launcher::create().value();
  return shared;
}

class Kernel : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(0, ::chmod(scratch_.path(".").c_str(), 0755));
    ASSERT_TRUE(os::write_file_atomic(scratch_.path("profiles.toml"), R"(
[sleep]
command = ["/bin/sleep", "600"]
[say]
command = ["/bin/sh", "-c", "echo $WORD; exit $CODE"]
[short]
command = ["/bin/sleep", "600"]
idle_s = 1
)"));
    {
      auto database = scratch_.open();
      ASSERT_TRUE(store::migrate(database, workload_migrations()));
    }
    net::HttpServerOptions const options;
    hook_ = net::HttpServer::listen_tcp(io_, "127.0.0.1", 0, options,
                                        [this](net::HttpRequest request, net::HttpReply& reply) {
                                          return hear(std::move(request), reply);
                                        })
                .value();
    make();
  }
  void TearDown() override {
    stop();
    hook_.reset();
  }

  // A server begins.
  void make() {
    writer_ = std::make_unique<store::Writer>(scratch_.open(), io_.get_executor());
    readers_ = std::make_unique<store::Readers>(scratch_.path(), pool_);
    backend_ = std::make_unique<ProcessBackend>(
        io_.get_executor(), pool_, clock_, launcher(),
        ProcessBackendSettings{.record_folder = scratch_.path("workloads")});
    kernel_ = std::make_unique<WorkloadKernel>(
        KernelParts{.io = io_,
                    .clock = clock_,
                    .random = random_,
                    .writer = *writer_,
                    .readers = *readers_,
                    .runtime = *backend_,
                    .find_folder = [](WorkspaceId const& id) -> Result<std::string> {
                      return fail(ErrorCode::not_found, "there is no workspace {}", id);
                    },
                    .reach = net::Reach::anywhere,
                    .workloads_of_owner = 2});
    auto reader = scratch_.open(store::OpenMode::reader);
    auto const loaded = kernel_->load(reader, scratch_.path("."));
    ASSERT_TRUE(loaded) << loaded.error().text();
    ASSERT_TRUE(backend_->recover());
    kernel_->start();
  }
  void stop() {
    if (!kernel_) return;
    await_void(kernel_->stop());
    kernel_.reset();
    backend_.reset();
    readers_.reset();
    writer_.reset();
  }

  Task<void> hear(net::HttpRequest request, net::HttpReply& reply) {
    int const status = refusals_ > 0 ? 503 : 204;
    if (refusals_ > 0)
      --refusals_;
    else
      heard_.push_back(request.body);
    net::Headers none;
    co_await reply.send(status, std::move(none), "");
  }
  std::vector<std::string> heard() const {
    std::vector<std::string> words;
    for (auto const& body : heard_) {
      auto const event = contract::parse_runtime_event(body).value();
      words.push_back(fmt::format(
          "{}{}{}", to_string(event.state), event.stop_reason ? ":" : "",
          event.stop_reason ? contract::to_string(*event.stop_reason) : std::string_view{}));
    }
    return words;
  }

  template <class T>
  T await(Task<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(io_, std::move(task), [&](std::exception_ptr const& error, T value) {
      EXPECT_FALSE(error);
      result = std::move(value);
    });
    until([&] { return result.has_value(); });
    return *std::move(result);
  }
  void await_void(Task<void> task) {
    bool done = false;
    boost::asio::co_spawn(io_, std::move(task), [&](std::exception_ptr const& error) {
      EXPECT_FALSE(error);
      done = true;
    });
    until([&] { return done; });
  }
  template <class Condition>
  void until(Condition condition) {
    io_.restart();
    auto const deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      io_.run_for(Millis{5});
      io_.restart();
    }
    if (!condition()) throw std::runtime_error("it did not come about in time");
  }

  contract::WorkloadSpec spec(std::string const& id, std::string const& profile) const {
    contract::WorkloadSpec made;
    made.workload_id = id;
    made.profile = profile;
    made.env = {{"WORD", "hello"}, {"CODE", "4"}};
    made.callback_url = fmt::format("http://127.0.0.1:{}/hook", hook_->port());
    return made;
  }
  contract::WorkloadStatus ended(std::string const& id) {
    until([&] { return !is_live(kernel_->find(id)->status.state); });
    return kernel_->find(id)->status;
  }

  store::Scratch scratch_;
  SystemClock clock_;
  SystemRandom random_;
  boost::asio::io_context io_;
  os::BlockingPool pool_{2};
  std::unique_ptr<net::HttpServer> hook_;
  std::vector<std::string> heard_;
  int refusals_ = 0;
  std::unique_ptr<store::Writer> writer_;
  std::unique_ptr<store::Readers> readers_;
  std::unique_ptr<ProcessBackend> backend_;
  std::unique_ptr<WorkloadKernel> kernel_;
};

TEST_F(Kernel, RunsToItsEndAndSaysSo) {
  auto const started = await(kernel_->create("me", spec("a b/ä", "say")));
  ASSERT_TRUE(started) << started.error().text();
  auto const status = ended("a b/ä");
  EXPECT_EQ(4, status.exit_code);
  EXPECT_EQ(StopReason::failed, status.stop_reason);
  EXPECT_TRUE(status.started_at && status.stopped_at);
  EXPECT_EQ("hello\n", await(kernel_->output("a b/ä")).value());
  until([&] { return heard_.size() == 3; });
  EXPECT_THAT(heard(), ElementsAre("starting", "running", "stopped:failed"));
  ASSERT_TRUE(await(kernel_->destroy("a b/ä")));
  EXPECT_EQ(ErrorCode::not_found, kernel_->find("a b/ä").error().code);
  until([&] { return heard_.size() == 4; });
  EXPECT_EQ("destroyed:failed", heard().back());
}

TEST_F(Kernel, CreatingIsIdempotentAndAnotherSpecNamesWhatDiffers) {
  ASSERT_TRUE(await(kernel_->create("me", spec("a", "sleep"))));
  ASSERT_TRUE(await(kernel_->create("me", spec("a", "sleep"))));
  EXPECT_EQ(1U, backend_->list().size());
  auto other = spec("a", "sleep");
  other.env["WORD"] = "bye";
  auto const refused = await(kernel_->create("me", other));
  ASSERT_FALSE(refused);
  EXPECT_EQ(ErrorCode::conflict, refused.error().code);
  EXPECT_THAT(refused.error().message, HasSubstr("WORD"));
  EXPECT_THAT(refused.error().message, testing::Not(HasSubstr("bye")));
  EXPECT_EQ(ErrorCode::conflict, await(kernel_->create("you", spec("a", "sleep"))).error().code);
  // One that has ended starts anew.
  ASSERT_TRUE(await(kernel_->stop_one("a", StopReason::stopped)));
  auto const again = await(kernel_->create("me", other));
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(WorkloadState::running, again->state);
}

TEST_F(Kernel, RefusalsSayWhy) {
  auto const unknown = await(kernel_->create("me", spec("a", "nothing")));
  EXPECT_EQ(ErrorCode::invalid_argument, unknown.error().code);
  EXPECT_EQ(ErrorCode::not_found, kernel_->find("a").error().code);
  for (auto const* const id : {"a", "b"})
    ASSERT_TRUE(await(kernel_->create("me", spec(id, "sleep"))));
  EXPECT_EQ(ErrorCode::rate_limited, await(kernel_->create("me", spec("c", "sleep"))).error().code);
  ASSERT_TRUE(await(kernel_->create("you", spec("c", "sleep")))) << "a quota is an owner's own";
  EXPECT_EQ(ErrorCode::not_found, await(kernel_->stop_one("x", StopReason::stopped)).error().code);
  EXPECT_EQ(ErrorCode::not_found, await(kernel_->destroy("x")).error().code);
}

TEST_F(Kernel, AFailedStartIsSaidWithItsCause) {
  auto wanted = spec("a", "say");
  wanted.backend = contract::BackendKind::process;
  wanted.resources.memory_mb = 0.0;
  ASSERT_TRUE(os::write_file_atomic(scratch_.path("profiles.toml"),
                                    "[none]\ncommand = [\"/no/such/program\"]\n"));
  stop();
  make();
  wanted.profile = "none";
  auto const failed = await(kernel_->create("me", wanted));
  ASSERT_FALSE(failed);
  EXPECT_EQ(ErrorCode::upstream, failed.error().code);
  EXPECT_THAT(failed.error().message, HasSubstr("/no/such/program"));
  EXPECT_EQ(StopReason::start_failed, kernel_->find("a")->status.stop_reason);
}

TEST_F(Kernel, WhoIsNotTouchedEnds) {
  auto wanted = spec("a", "short");
  wanted.idle_timeout_s = 0.2;
  ASSERT_TRUE(await(kernel_->create("me", wanted)));
  EXPECT_EQ(StopReason::idle_timeout, ended("a").stop_reason);
}

TEST_F(Kernel, ACallbackIsSentUntilItIsHeard) {
  refusals_ = 1;
  ASSERT_TRUE(await(kernel_->create("me", spec("a", "say"))));
  (void)ended("a");
  until([&] { return heard_.size() == 3; });
  EXPECT_THAT(heard(), ElementsAre("starting", "running", "stopped:failed"))
      << "none is lost, and they come in order";
  EXPECT_EQ(0, refusals_);
}

TEST_F(Kernel, ACallbackOutlivesItsServer) {
  refusals_ = 1000;
  ASSERT_TRUE(await(kernel_->create("me", spec("a", "say"))));
  (void)ended("a");
  stop();
  refusals_ = 0;
  make();
  until([&] { return heard_.size() == 3; });
  EXPECT_THAT(heard(), ElementsAre("starting", "running", "stopped:failed"));
}

TEST_F(Kernel, WhatNoBackendKeepsHasEndedWithItsServer) {
  ASSERT_TRUE(await(kernel_->create("me", spec("a", "sleep"))));
  until([&] { return heard_.size() == 2; });
  auto const live = kernel_->find("a").value();
  stop();
  heard_.clear();
  {
    // As a server that was killed leaves it.
    auto database = scratch_.open();
    ASSERT_TRUE(database.run("DELETE FROM workload_callbacks"));
    ASSERT_TRUE(put_workload(database, live, clock_.now()));
  }
  make();
  auto const row = kernel_->find("a").value();
  EXPECT_EQ(WorkloadState::stopped, row.status.state);
  EXPECT_EQ(StopReason::failed, row.status.stop_reason);
  EXPECT_EQ("me", row.owner);
  until([&] { return heard_.size() == 2; });
  EXPECT_EQ("stopped:failed", heard().back());
}

TEST(CallbackDelay, GrowsUpToAnHour) {
  EXPECT_EQ(Millis{1'000}, callback_delay(1));
  EXPECT_EQ(Millis{2'000}, callback_delay(2));
  for (int attempts = 1; attempts < 100; ++attempts)
    EXPECT_LE(callback_delay(attempts), callback_delay(attempts + 1));
  EXPECT_EQ(Millis{3'600'000}, callback_delay(99));
}

}  // namespace
}  // namespace drover::runtime
