#pragma once
// For tests: a dockerd, or Podman's service, of their own in a scratch folder, without a bridge, a
// firewall rule or a sysctl of the host's, and with one small image. Ended by the destructor, with
// all that it made. Throws std::runtime_error, with the end of its log, where it cannot run: it is
// what these tests are about, so none of them is skipped. As root.
#include <optional>
#include <string>
#include <vector>

#include "os/process.h"

namespace drover::test {

enum class EngineKind : std::uint8_t { docker, podman };
// DROVER_TEST_ENGINE: the same tests are for both.
[[nodiscard]] EngineKind engine_kind();

class DockerDaemon {
 public:
  // busybox's programs and bash, nothing else.
  static constexpr std::string_view kImage = "drover-test:small";

  // `arguments`: more of dockerd's.
  explicit DockerDaemon(EngineKind kind = EngineKind::docker,
                        std::vector<std::string> arguments = {});
  ~DockerDaemon();
  DockerDaemon(DockerDaemon const&) = delete;
  DockerDaemon& operator=(DockerDaemon const&) = delete;

  [[nodiscard]] std::string host() const { return "unix://" + root_ + "/docker.sock"; }
  // Absolute, below each controller.
  [[nodiscard]] std::string const& cgroup_parent() const { return cgroup_parent_; }

  void start();
  void stop();  // SIGTERM: it ends its containers
  // `docker` with these words; what it printed. Throws where it fails.
  std::string cli(std::vector<std::string> const& words);

 private:
  struct Outcome {
    bool ok = false;
    std::string said;
  };
  [[nodiscard]] std::vector<std::string> dockerd() const;
  [[nodiscard]] std::vector<std::string> podman() const;
  Outcome run(std::vector<std::string> argv);
  void make_image();
  void end_helpers() const;
  void unmount_all() const;
  void remove_cgroups() const;

  EngineKind kind_;
  std::vector<std::string> arguments_;
  std::string root_;
  std::string cgroup_parent_;
  std::optional<os::Process> process_;
};

}  // namespace drover::test
