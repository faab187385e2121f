// Containers of a real engine, started by the Docker backend.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "attacks/target.h"
#include "docker/docker_daemon.h"
#include "harness/processes.h"
#include "os/files.h"
#include "runtime/docker_backend.h"

namespace drover::attacks {

namespace {

using sandbox::LimitOrigin;

constexpr std::chrono::seconds kPatience{60};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return *std::move(result);
}

runtime::WorkloadSpec spec_of(Attack const& attack) {
  static int count = 0;
  runtime::WorkloadSpec workload;
  workload.id = WorkloadId::trusted(fmt::format("attack-{}-{}", ::getpid(), ++count));
  workload.profile = "attack";
  auto& spec = workload.sandbox;
  if (attack.script.empty()) {
    spec.argv = {"/opt/attacker"};
    spec.argv.insert(spec.argv.end(), attack.arguments.begin(), attack.arguments.end());
  } else {
    // An engine reads the two streams from two pipes, in whatever order.
    spec.argv = {"/bin/sh", "-c", "exec 2>&1; " + attack.script};
  }
  spec.env = {"PATH=/usr/bin:/bin", "HOME=/home/agent"};
  spec.env.insert(spec.env.end(), attack.environment.begin(), attack.environment.end());
  spec.mounts.push_back(
      {.source = must(os::real_path(ATTACKS_ATTACKER)), .target = "/opt/attacker"});
  for (auto const& folder : attack.folders) {
    auto const mode = folder.access == Access::rw ? sandbox::MountMode::rw : sandbox::MountMode::ro;
    spec.mounts.push_back({folder.source, folder.target, mode, sandbox::Ownership::owner_is_agent});
  }
  spec.tmpfs = {{"/tmp", attack.tmp_mb}, {"/home/agent", 16}, {"/dev/shm", 16}};
  if (attack.memory_mb) spec.limits.memory_mb = {*attack.memory_mb, LimitOrigin::asked};
  if (attack.pids) spec.limits.pids = {*attack.pids, LimitOrigin::asked};
  if (attack.cpu_milli) spec.limits.cpu_milli = {*attack.cpu_milli, LimitOrigin::asked};
  spec.limits.file_size_mb = attack.file_mb;
  return workload;
}

// The backend with a loop of its own, which runs while somebody waits.
class Engine {
 public:
  Engine() {
    char name[] = "/tmp/drover-docker-attacks-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw std::runtime_error("no folder");
    folder_ = name;
    runtime::DockerBackendSettings settings;
    settings.engine = must(runtime::parse_engine_address(daemon_.host(), ""));
    settings.folder = folder_ + "/docker";
    settings.image = test::DockerDaemon::kImage;
    backend_.emplace(io_, pool_, clock_, random_, settings);
  }
  ~Engine() {
    backend_.reset();
    (void)os::remove_tree(folder_);
  }
  Engine(Engine const&) = delete;
  Engine& operator=(Engine const&) = delete;

  template <class T>
  T await(Task<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(io_, std::move(task), [&](std::exception_ptr const& error, T value) {
      if (!error) result = std::move(value);
    });
    until([&] { return result.has_value(); });
    return *std::move(result);
  }
  template <class Condition>
  void until(Condition condition) {
    auto const deadline = std::chrono::steady_clock::now() + kPatience;
    for (io_.restart(); !condition(); io_.restart()) {
      if (std::chrono::steady_clock::now() > deadline)
        throw std::runtime_error("the container is silent");
      io_.run_for(Millis{5});
    }
  }
  runtime::DockerBackend& backend() { return *backend_; }
  test::DockerDaemon& daemon() { return daemon_; }

 private:
  test::DockerDaemon daemon_;
  std::string folder_;
  SystemClock clock_;
  SystemRandom random_;
  boost::asio::io_context io_;
  os::BlockingPool pool_{2};
  std::optional<runtime::DockerBackend> backend_;
};

class RunningContainer final : public Running {
 public:
  RunningContainer(Engine& engine, WorkloadId id) : engine_(engine), id_(std::move(id)) {
    auto const container = engine_.daemon().cli(
        {"ps", "-q", "--filter", fmt::format("label=dev.drover.workload={}", id_)});
    auto const pid = engine_.daemon().cli({"inspect", "-f", "{{.State.Pid}}", container});
    struct stat info{};
    if (::stat(fmt::format("/proc/{}/ns/pid", pid).c_str(), &info) != 0)
      throw std::runtime_error("a container is gone already");
    pid_namespace_ = info.st_ino;
  }
  ~RunningContainer() override { (void)engine_.await(engine_.backend().destroy(id_)); }
  RunningContainer(RunningContainer const&) = delete;
  RunningContainer& operator=(RunningContainer const&) = delete;

  void await(std::string_view line) override {
    auto const deadline = harness::uptime() + Millis{kPatience};
    for (std::string text; !text.contains(line);
         text = engine_.await(engine_.backend().output(id_)).value_or(""))
      if (harness::uptime() > deadline) throw std::runtime_error("the attacker is silent: " + text);
  }
  std::vector<int> processes() const override {
    std::vector<int> all;
    for (auto const& entry : std::filesystem::directory_iterator("/proc")) {
      struct stat info{};
      if (::stat((entry.path() / "ns/pid").c_str(), &info) == 0 && info.st_ino == pid_namespace_)
        all.push_back(std::atoi(entry.path().filename().c_str()));
    }
    return all;
  }
  void kill() override {
    (void)must(engine_.await(engine_.backend().stop(id_, runtime::StopReason::stopped, Millis{0})));
  }

 private:
  Engine& engine_;
  WorkloadId id_;
  ino_t pid_namespace_ = 0;
};

class DockerTarget final : public Target {
 public:
  std::string name() const override { return "docker"; }

  // dockerd of this machine has what the kernel has; one that lacks a limit refuses it.
  std::string why_not(std::string_view) const override { return ""; }

  Seen run(Attack const& attack) override {
    auto spec = spec_of(attack);
    auto const id = spec.id;
    (void)must(engine_.await(engine_.backend().start(std::move(spec))));
    auto& backend = engine_.backend();
    engine_.until([&] { return !runtime::is_live(backend.status(id)->state); });
    auto const status = backend.status(id).value();
    Seen seen;
    seen.output = status.output_tail;
    seen.exit_code = status.exit_code.value_or(-1);
    seen.out_of_memory = status.stop_reason == runtime::StopReason::oom;
    (void)engine_.await(backend.destroy(id));
    return seen;
  }

  std::unique_ptr<Running> start(Attack const& attack) override {
    auto spec = spec_of(attack);
    auto const id = spec.id;
    (void)must(engine_.await(engine_.backend().start(std::move(spec))));
    return std::make_unique<RunningContainer>(engine_, id);
  }

  std::string refusal(Attack const& attack) override {
    auto spec = spec_of(attack);
    auto const id = spec.id;
    auto const started = engine_.await(engine_.backend().start(std::move(spec)));
    (void)engine_.await(engine_.backend().destroy(id));
    return started ? "" : started.error().text();
  }

 private:
  Engine engine_;
};

}  // namespace

std::vector<Target*> const& targets() {
  static DockerTarget docker;
  static std::vector<Target*> const all = {&docker};
  return all;
}

}  // namespace drover::attacks
