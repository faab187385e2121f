// The sandbox of the process backend.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "attacks/target.h"
#include "os/files.h"
#include "sandbox/launcher.h"

namespace drover::attacks {

namespace {

using sandbox::LimitOrigin;

constexpr Millis kPatience{30'000};
constexpr std::size_t kOutputMax = std::size_t{4} << 20U;

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return *std::move(result);
}

struct Pipe {
  os::Fd read;
  os::Fd write;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    read = os::Fd{ends[0]};
    write = os::Fd{ends[1]};
  }
};

sandbox::SandboxSpec spec_of(Attack const& attack) {
  static int count = 0;
  sandbox::SandboxSpec spec;
  spec.id = fmt::format("attack-{}-{}", ::getpid(), ++count);
  if (attack.script.empty()) {
    spec.argv = {"/opt/attacker"};
    spec.argv.insert(spec.argv.end(), attack.arguments.begin(), attack.arguments.end());
  } else {
    spec.argv = {"/bin/sh", "-c", attack.script};
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
  return spec;
}

class RunningSandbox final : public Running {
 public:
  RunningSandbox(sandbox::Sandbox sandbox, os::Fd output)
      : sandbox_(std::move(sandbox)), output_(std::move(output)) {
    struct stat info{};
    if (::stat(fmt::format("/proc/{}/ns/pid", sandbox_.pid()).c_str(), &info) != 0)
      throw std::runtime_error("a sandbox is gone already");
    pid_namespace_ = info.st_ino;
  }
  void await(std::string_view line) override {
    std::string text;
    while (!text.contains(line)) {
      pollfd entry{.fd = output_.get(), .events = POLLIN, .revents = 0};
      char buffer[4096];
      if (::poll(&entry, 1, static_cast<int>(kPatience.count())) <= 0)
        throw std::runtime_error("the attacker is silent");
      ssize_t const got = ::read(output_.get(), buffer, sizeof buffer);
      if (got <= 0) throw std::runtime_error("the attacker ended: " + text);
      text.append(buffer, static_cast<std::size_t>(got));
    }
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
    if (auto const killed = sandbox_.kill(); !killed)
      throw std::runtime_error(killed.error().text());
    (void)sandbox_.wait(kPatience);
  }

 private:
  sandbox::Sandbox sandbox_;
  os::Fd output_;
  ino_t pid_namespace_ = 0;
};

class ProcessTarget final : public Target {
 public:
  ProcessTarget() : launcher_(must(sandbox::Launcher::create())) {}

  std::string name() const override { return "process"; }

  std::string why_not(std::string_view limit) const override {
    for (auto const duty : {os::CgroupDuty::memory, os::CgroupDuty::pids, os::CgroupDuty::cpu})
      if (os::to_string(duty) == limit)
        return launcher_->cgroups().place(duty) != nullptr ? ""
                                                           : launcher_->cgroups().why_not(duty);
    throw std::runtime_error("there is no such limit");
  }

  Seen run(Attack const& attack) override {
    Pipe pipe;
    auto spec = spec_of(attack);
    spec.out = spec.err = pipe.write.get();
    auto sandbox = must(launcher_->launch(spec));
    pipe.write.reset();
    Seen seen;
    // To the end of all that hold the other end.
    seen.output = os::read_all(pipe.read.get(), "output", kOutputMax).value_or("");
    auto const exit = must(sandbox.wait(kPatience));
    if (!exit) throw std::runtime_error("an attack does not end");
    seen.exit_code = exit->status.signal != 0 ? 128 + exit->status.signal : exit->status.code;
    seen.out_of_memory = exit->out_of_memory;
    return seen;
  }

  std::unique_ptr<Running> start(Attack const& attack) override {
    Pipe pipe;
    auto spec = spec_of(attack);
    spec.out = spec.err = pipe.write.get();
    return std::make_unique<RunningSandbox>(must(launcher_->launch(spec)), std::move(pipe.read));
  }

  std::string refusal(Attack const& attack) override {
    auto const sandbox = launcher_->launch(spec_of(attack));
    return sandbox ? "" : sandbox.error().text();
  }

 private:
  std::shared_ptr<sandbox::Launcher> launcher_;
};

}  // namespace

std::unique_ptr<Target> make_process_target() {
  return std::make_unique<ProcessTarget>();
}

}  // namespace drover::attacks
