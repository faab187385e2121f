// The real program in a real sandbox, and what is mounted into it for a turn.
#include "fleet/resident_backend.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "fleet/wanted.h"
#include "os/files.h"
#include "sandbox/launcher.h"
#include "sandbox/members.h"

namespace drover::fleet {
namespace {

constexpr std::chrono::seconds kPatience{20};
constexpr uid_t kUid = 250'001;

std::shared_ptr<sandbox::Launcher> launcher() {
  static auto const shared = sandbox::Launcher::create().value();
  return shared;
}

// One instance in a sandbox of this test's.
class OneInstance final : public TurnPlaces {
 public:
  explicit OneInstance(std::string folder) : folder_(std::move(folder)) {}

  void launch() {
    sandbox::SandboxSpec spec;
    spec.id = fmt::format("resident-test-{}", ::getpid());
    spec.argv = resident_argv();
    spec.env = {"PATH=/usr/bin:/bin"};
    spec.session_uid = kUid;
    spec.landlock = sandbox::SecondWall::by_program;
    spec.places = {"/workspace", "/workspaces", "/run/drover"};
    spec.mounts = {
        {folder_ + "/state", "/state", sandbox::MountMode::rw, sandbox::Ownership::owner_is_agent},
        {FLEET_UNIT_PROGRAM, "/run/drover/unit"},
        {folder_ + "/line", "/run/drover/resident"}};
    auto made = launcher()->launch(spec);
    ASSERT_TRUE(made) << made.error().text();
    sandbox_ = std::move(*made);
    changed_();
  }
  void end() {
    ASSERT_TRUE(sandbox_->kill());
    ASSERT_TRUE(sandbox_->wait(Millis{5000}));
    sandbox_.reset();
    changed_();
  }

  [[nodiscard]] std::vector<TurnPlace> open() const override {
    if (!sandbox_) return {};
    return {{.name = "dev",
             .agent = "dev",
             .program = sandbox_->pid(),
             .uid = kUid,
             .line_folder = folder_ + "/line",
             .walls_required = true}};
  }
  [[nodiscard]] std::string why_none(std::string_view) const override { return "it is a test"; }
  void on_changed(std::function<void()> listener) override { changed_ = std::move(listener); }
  Task<Status> freeze(std::string) override { co_return sandbox_->freeze(); }
  Task<Status> thaw(std::string) override { co_return sandbox_->thaw(); }
  void replace(std::string const& instance, pid_t program) override {
    EXPECT_EQ(program, sandbox_->pid());
    replaced.push_back(instance);
  }
  std::vector<std::string> replaced;
  [[nodiscard]] std::size_t members() const {
    return sandbox::members_of_init(sandbox_->pid()).size();
  }

 private:
  std::string folder_;
  std::optional<sandbox::Sandbox> sandbox_;
  std::function<void()> changed_ = [] {};
};

class Resident : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounts into a sandbox that runs need root";
    char name[] = "/tmp/drover-fleet-test-XXXXXX";
    ASSERT_NE(nullptr, ::mkdtemp(name));
    path_ = name;
    for (std::string const folder : {"/line", "/state", "/workspace", "/unit"})
      ASSERT_TRUE(os::make_folders(path_ + folder, 0755));
    ASSERT_EQ(0, ::chmod(path_.c_str(), 0755));
    ASSERT_TRUE(os::write_file_atomic(path_ + "/workspace/told", "hello\n", 0600));
    instance_.emplace(path_);
    backend_ = std::make_unique<ResidentBackend>(
        ResidentParts{loop_.get_executor(), pool_, clock_, random_, *instance_, path_ + "/binds"});
    instance_->launch();
    until([&] { return connected(); });
  }
  void TearDown() override {
    backend_.reset();
    // What was cut off ends.
    loop_.restart();
    loop_.poll();
    instance_.reset();
    if (!path_.empty()) EXPECT_TRUE(os::remove_tree(path_));
  }
  [[nodiscard]] bool connected() const {
    auto const health = backend_->health("dev");
    return health && health->connected;
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
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      loop_.run_for(Millis{5});
      loop_.restart();
    }
    ASSERT_TRUE(condition());
  }

  // A unit that waits for its server for some seconds, over the test's workspace.
  runtime::WorkloadSpec unit(std::string const& id = "session-one") {
    runtime::WorkloadSpec spec;
    spec.id = WorkloadId::trusted(id);
    spec.profile = "unit";
    spec.agent = "dev";
    spec.sandbox.argv = {"/run/drover/unit"};
    spec.sandbox.cwd = "/workspace";
    spec.sandbox.env = {"DROVER_AGENT_IDENTITY_TOKEN=token",
                        "DROVER_UNIT_SOCKET=/run/drover/unit.sock"};
    spec.sandbox.mounts = {{path_ + "/workspace", "/workspace", sandbox::MountMode::rw,
                            sandbox::Ownership::owner_is_agent},
                           {FLEET_UNIT_PROGRAM, "/run/drover/unit"}};
    return spec;
  }
  // It has some time to begin, and goes on.
  void start_later(std::string const& id) {
    boost::asio::co_spawn(loop_, backend_->start(unit(id)),
                          [&](std::exception_ptr const& error, auto status) {
                            EXPECT_FALSE(error);
                            later_ = std::move(status);
                          });
    loop_.restart();
    loop_.run_for(Millis{50});
  }
  struct Said {
    int status = -1;
    std::string out;
    std::string err;
  };
  Said run(std::string const& script) {
    Said said;
    ResidentBackend::Command command;
    command.argv = {"/bin/sh", "-c", script};
    command.output = [&](bool error_stream, std::string const& text) {
      (error_stream ? said.err : said.out) += text;
    };
    auto const status = await(backend_->run_command("dev", command));
    EXPECT_TRUE(status) << status.error().text();
    said.status = status.value_or(-1);
    return said;
  }

  std::string path_;
  SystemClock clock_;
  SystemRandom random_;
  boost::asio::io_context loop_;
  os::BlockingPool pool_{2};
  std::optional<OneInstance> instance_;
  std::unique_ptr<ResidentBackend> backend_;
  std::optional<Result<runtime::WorkloadStatus>> later_;
};

TEST_F(Resident, CommandsRunInsideAndSayHowTheyEnded) {
  auto const said = run("echo out; echo err >&2; echo mark > /state/mark; exit 3");
  EXPECT_EQ(said.status, 3);
  EXPECT_EQ(said.out, "out\n");
  EXPECT_EQ(said.err, "err\n");
  EXPECT_EQ(os::read_file(path_ + "/state/mark").value_or(""), "mark\n");
  EXPECT_EQ(run("kill -9 $$").status, 128 + SIGKILL);
}

TEST_F(Resident, ATurnsWorkspaceIsThereForTheTurnAlone) {
  EXPECT_NE(run("cat /workspace/told").status, 0);
  auto const started = await(backend_->start(unit()));
  ASSERT_TRUE(started) << started.error().text();
  EXPECT_EQ(backend_->health("dev")->workload, "session-one");
  EXPECT_EQ(run("cat /workspace/told && echo from inside > /workspace/made").out, "hello\n");
  struct stat made{};
  ASSERT_EQ(::stat((path_ + "/workspace/made").c_str(), &made), 0);
  EXPECT_EQ(made.st_uid, 0U) << "what is made belongs to the workspace's owner";
  ASSERT_TRUE(await(backend_->destroy(WorkloadId::trusted("session-one"))));
  EXPECT_NE(run("cat /workspace/told").status, 0);
  EXPECT_EQ(run("cat /state/../proc/mounts | grep -c workspace").out, "2\n") << "its own places";
  EXPECT_EQ(backend_->health("dev")->workload, "");
}

TEST_F(Resident, NothingOfATurnIsLeftBehind) {
  ASSERT_TRUE(await(backend_->start(unit())));
  run("setsid sleep 1000 < /dev/null > /dev/null 2>&1 &");
  until([&] { return instance_->members() >= 3; });
  ASSERT_TRUE(await(backend_->destroy(WorkloadId::trusted("session-one"))));
  EXPECT_EQ(instance_->members(), 1U);
}

TEST_F(Resident, OneThatCannotBeCleanedIsNotLentAgainAndIsReplaced) {
  auto spec = unit();
  spec.owned_folders = {fmt::format("/proc/{}/comm", ::getpid())};  // nobody removes that
  ASSERT_TRUE(await(backend_->start(std::move(spec))));
  ASSERT_TRUE(await(backend_->destroy(WorkloadId::trusted("session-one"))));
  EXPECT_EQ(instance_->replaced, std::vector<std::string>{"dev"});
  start_later("session-two");
  EXPECT_FALSE(later_);
  instance_->end();
  instance_->launch();
  until([&] { return later_.has_value(); });
  EXPECT_TRUE(*later_) << later_->error().text();
}

TEST_F(Resident, WhatItsProgramStartsIsBehindTheSecondWall) {
  ASSERT_TRUE(await(backend_->start(unit())));
  EXPECT_NE(run("echo x > /run/drover/x").status, 0);
  EXPECT_NE(run("echo x > /x").status, 0);
  EXPECT_EQ(run("echo x > /tmp/x && echo x > /workspace/x").status, 0);
  EXPECT_EQ(run("grep -c NoNewPrivs.*1 /proc/self/status").out, "1\n");
}

TEST_F(Resident, FrozenNothingRunsAndThawedItGoesOn) {
  ASSERT_TRUE(await(backend_->start(unit())));
  auto const id = WorkloadId::trusted("session-one");
  ASSERT_TRUE(await(backend_->freeze(id)));
  EXPECT_TRUE(backend_->health("dev")->frozen);
  ASSERT_TRUE(await(backend_->thaw(id)));
  EXPECT_EQ(run("echo on").out, "on\n");
  ASSERT_TRUE(await(backend_->freeze(id)));
  ASSERT_TRUE(await(backend_->destroy(id))) << "also from the frozen state";
  EXPECT_EQ(instance_->members(), 1U);
}

TEST_F(Resident, TheEndOfAUnitIsHeard) {
  auto spec = unit();
  // Without a token it ends at once. A leak checker finds no way to look, and would change its
  // status.
  spec.sandbox.env = {"ASAN_OPTIONS=detect_leaks=0"};
  std::optional<int> code;
  backend_->on_event([&](runtime::RuntimeEvent const& event) {
    if (event.state == runtime::WorkloadState::stopped) code = event.exit_code;
  });
  ASSERT_TRUE(await(backend_->start(std::move(spec))));
  until([&] { return code.has_value(); });
  EXPECT_EQ(code, 2);
  ASSERT_TRUE(await(backend_->start(unit("session-two")))) << "the next one finds it free";
}

TEST_F(Resident, OneAtATimeAndTheOthersWait) {
  ASSERT_TRUE(await(backend_->start(unit("session-one"))));
  start_later("session-two");
  EXPECT_FALSE(later_);
  ASSERT_TRUE(await(backend_->destroy(WorkloadId::trusted("session-one"))));
  until([&] { return later_.has_value(); });
  EXPECT_TRUE(*later_) << later_->error().text();
  EXPECT_EQ(backend_->health("dev")->workload, "session-two");
}

TEST_F(Resident, OneThatIsStoppedWhileItWaitsForAPlaceNeverBegins) {
  ASSERT_TRUE(await(backend_->start(unit("session-one"))));
  start_later("session-two");
  ASSERT_FALSE(later_);
  auto const began = std::chrono::steady_clock::now();
  auto const stopped = await(
      backend_->stop(WorkloadId::trusted("session-two"), runtime::StopReason::stopped, Millis{0}));
  ASSERT_TRUE(stopped) << stopped.error().text();
  EXPECT_EQ(stopped->state, runtime::WorkloadState::stopped);
  until([&] { return later_.has_value(); });
  ASSERT_FALSE(*later_);
  EXPECT_EQ(later_->error().code, ErrorCode::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - began, kFreeWait) << "it does not wait on";
  EXPECT_EQ(backend_->health("dev")->workload, "session-one");
}

TEST_F(Resident, AnInstanceThatEndsTakesItsUnitWithIt) {
  std::optional<runtime::RuntimeEvent> ended;
  backend_->on_event([&](runtime::RuntimeEvent const& event) {
    if (event.state == runtime::WorkloadState::stopped) ended = event;
  });
  ASSERT_TRUE(await(backend_->start(unit())));
  instance_->end();
  until([&] { return ended.has_value(); });
  EXPECT_EQ(ended->exit_code, 128 + SIGKILL);
  EXPECT_FALSE(backend_->health("dev"));
  instance_->launch();
  until([&] { return connected(); });
  EXPECT_EQ(run("echo again").out, "again\n");
}

TEST_F(Resident, NobodyButItsProgramGetsTheLine) {
  // Another process inside, of the same user, connects and is sent nothing.
  auto const said =
      run("python3 - <<'P' 2>&1\n"
          "import socket\n"
          "s = socket.socket(socket.AF_UNIX)\n"
          "s.connect('/run/drover/resident/resident.sock')\n"
          "s.settimeout(5)\n"
          "try:\n"
          "    s.sendall(b'{\"type\":\"hello\"}\\n')\n"
          "    print('got', s.recv(10))\n"
          "except ConnectionError:\n"
          "    print('got', b'')\n"
          "P");
  EXPECT_EQ(said.out, "got b''\n");
  EXPECT_TRUE(connected());
}

}  // namespace
}  // namespace drover::fleet
