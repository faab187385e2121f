#include "docker/docker_daemon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/text.h"
#include "os/files.h"

namespace drover::test {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kStart{60};
constexpr Millis kStop{60'000};
constexpr std::chrono::seconds kHelpers{10};
constexpr Millis kCommand{120'000};
constexpr std::string_view kPath =
    "PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin";
constexpr std::size_t kLogShown = 4000;
// What bash needs of this machine.
constexpr std::string_view kLoader = "/lib64/ld-linux-x86-64.so.2";

std::string end_of(std::string const& path) {
  auto const text = os::read_file(path).value_or("");
  return text.substr(text.size() - std::min(text.size(), kLogShown));
}

void copy_to(std::string const& from, std::string const& folder) {
  fs::create_directories(folder + fs::path{from}.parent_path().string());
  fs::copy_file(fs::canonical(from), folder + from);
}

}  // namespace

EngineKind engine_kind() {
  char const* const wanted = ::getenv("DROVER_TEST_ENGINE");
  return wanted != nullptr && std::string_view{wanted} == "podman" ? EngineKind::podman
                                                                   : EngineKind::docker;
}

DockerDaemon::DockerDaemon(EngineKind kind, std::vector<std::string> arguments)
    : kind_(kind), arguments_(std::move(arguments)) {
  char name[] = "/tmp/drover-docker-XXXXXX";
  if (::mkdtemp(name) == nullptr) throw std::runtime_error("cannot make a folder for dockerd");
  root_ = name;
  cgroup_parent_ = fmt::format("/{}", root_.substr(std::string_view{"/tmp/"}.size()));
  start();
  make_image();
}

DockerDaemon::~DockerDaemon() {
  stop();
  end_helpers();
  unmount_all();
  remove_cgroups();
  if (auto const removed = os::remove_tree(root_); !removed)
    fmt::print(stderr, "docker daemon: {}\n", removed.error().text());
}

std::vector<std::string> DockerDaemon::dockerd() const {
  return {"dockerd",
          "--config-file=" + root_ + "/daemon.json",
          "--data-root=" + root_ + "/data",
          "--exec-root=" + root_ + "/exec",
          "--pidfile=" + root_ + "/dockerd.pid",
          "--host=" + host(),
          "--cgroup-parent=" + cgroup_parent_,
          "--bridge=none",
          "--iptables=false",
          "--ip6tables=false",
          "--ip-forward=false",
          "--ip-masq=false"};
}

std::vector<std::string> DockerDaemon::podman() const {
  return {"podman", "--root=" + root_ + "/data", "--runroot=" + root_ + "/run",
          "--tmpdir=" + root_ + "/tmp", "--cgroup-manager=cgroupfs", "--events-backend=file",
          // crun refuses a machine with both kinds of control groups.
          "--runtime=runc", "system", "service", "--time=0", host()};
}

void DockerDaemon::start() {
  std::string const log = root_ + "/dockerd.log";
  // Not the machine's own configuration.
  std::ofstream{root_ + "/daemon.json"} << "{}\n";
  os::Fd const file{::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  os::ProcessSpec spec;
  spec.argv = kind_ == EngineKind::docker ? dockerd() : podman();
  spec.argv.insert(spec.argv.end(), arguments_.begin(), arguments_.end());
  spec.env = {std::string{kPath}, "HOME=" + root_};
  spec.cwd = root_;  // where Podman leaves files
  spec.out = file.get();
  spec.err = file.get();
  auto process = os::Process::spawn(spec);
  if (!process) throw std::runtime_error("packages docker.io, podman: " + process.error().text());
  process_.emplace(*std::move(process));
  auto const deadline = std::chrono::steady_clock::now() + kStart;
  while (!run({"docker", "--host", host(), "version"}).ok) {
    auto const ended = process_->wait(Millis{50});
    if ((ended && *ended) || std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("the engine does not run here: " + end_of(log));
  }
}

void DockerDaemon::stop() {
  if (!process_) return;
  (void)process_->signal(SIGTERM);
  (void)process_->wait(kStop);
  process_.reset();
}

DockerDaemon::Outcome DockerDaemon::run(std::vector<std::string> argv) {
  std::string const out = root_ + "/cli.out";
  os::Fd const file{::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  os::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.env = {std::string{kPath}, "HOME=" + root_};
  spec.out = file.get();
  spec.err = file.get();
  auto process = os::Process::spawn(spec);
  if (!process) return {false, process.error().text()};
  auto const ended = process->wait(kCommand);
  std::string said{trim(os::read_file(out).value_or(""))};
  return {ended && *ended && (*ended)->ok(), std::move(said)};
}

std::string DockerDaemon::cli(std::vector<std::string> const& words) {
  std::vector<std::string> argv{"docker", "--host", host()};
  argv.insert(argv.end(), words.begin(), words.end());
  auto const outcome = run(std::move(argv));
  if (!outcome.ok)
    throw std::runtime_error(fmt::format("docker {}: {}", fmt::join(words, " "), outcome.said));
  return outcome.said;
}

void DockerDaemon::make_image() {
  std::string const folder = root_ + "/image";
  for (std::string const name : {"/bin", "/tmp", "/etc", "/usr/bin"})
    fs::create_directories(folder + name);
  // As in any image. Without it runc makes what is mounted there nobody's to write.
  fs::permissions(folder + "/tmp", fs::perms::all | fs::perms::sticky_bit);
  copy_to("/bin/busybox", folder);
  auto const listed = run({"/bin/busybox", "--list"});
  for (auto const program : split(listed.said, '\n'))
    if (program != "busybox")
      fs::create_symlink("busybox", fmt::format("{}/bin/{}", folder, program));
  fs::copy_file("/bin/busybox", folder + "/usr/bin/env");
  std::ofstream{folder + "/etc/passwd"} << "root:x:0:0:root:/:/bin/sh\n";
  copy_to("/bin/bash", folder);
  copy_to(std::string{kLoader}, folder);
  // "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)"
  auto const linked = run({"ldd", "/bin/bash"});
  for (auto const line : split(linked.said, '\n')) {
    auto const at = line.find("=> /");
    if (at == std::string_view::npos) continue;
    auto const path = line.substr(at + 3);
    copy_to(std::string{path.substr(0, path.find(' '))}, folder);
  }
  auto const packed = run({"tar", "-C", folder, "-cf", root_ + "/image.tar", "."});
  if (!packed.ok) throw std::runtime_error("tar: " + packed.said);
  cli({"import", root_ + "/image.tar", std::string{kImage}});
}

// Podman's conmon stays after its container, and may start a podman that tidies up, which would
// make the folder anew after it was removed.
void DockerDaemon::end_helpers() const {
  auto const deadline = std::chrono::steady_clock::now() + kHelpers;
  for (bool any = kind_ == EngineKind::podman;
       any && std::chrono::steady_clock::now() < deadline;) {
    any = false;
    std::error_code error;
    for (auto const& process : fs::directory_iterator("/proc", error)) {
      auto const words = os::read_file(process.path().string() + "/cmdline");
      if (!words || !words->contains(root_ + "/data")) continue;
      any = true;
      ::kill(std::stoi(process.path().filename()), SIGKILL);
    }
    std::this_thread::sleep_for(Millis{50});
  }
}

// After a stop there is none; a dockerd that was killed leaves some.
void DockerDaemon::unmount_all() const {
  auto const table = os::read_file("/proc/self/mountinfo").value_or("");
  for (auto const line : split(table, '\n')) {
    constexpr std::size_t kPlace = 4;
    auto const fields = split(line, ' ');
    if (fields.size() > kPlace && fields[kPlace].starts_with(root_ + "/"))
      ::umount2(std::string{fields[kPlace]}.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  }
}

void DockerDaemon::remove_cgroups() const {
  std::error_code error;
  for (auto const& controller : fs::directory_iterator("/sys/fs/cgroup", error)) {
    std::vector<fs::path> folders;
    std::error_code none;
    fs::recursive_directory_iterator walk{controller.path().string() + cgroup_parent_, none};
    for (; !none && walk != fs::recursive_directory_iterator{}; walk.increment(none))
      if (walk->is_directory(none)) folders.push_back(walk->path());
    std::ranges::reverse(folders);
    for (auto const& folder : folders)
      ::rmdir(folder.c_str());
    ::rmdir((controller.path().string() + cgroup_parent_).c_str());
  }
}

}  // namespace drover::test
