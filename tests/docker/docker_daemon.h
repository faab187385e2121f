#pragma once
// For tests: a dockerd of their own in a scratch folder, without a bridge, a firewall rule or a
// sysctl of the host's, and with one small image. Ended by the destructor, with all that it made.
// Throws std::runtime_error, with the end of its log, where it cannot run: it is what these tests
// are about, so none of them is skipped. As root.
#include <optional>
#include <string>
#include <vector>

#include "os/process.h"

namespace drover::test {

class DockerDaemon {
 public:
  // busybox's programs and bash, nothing else.
  static constexpr std::string_view kImage = "drover-test:small";

  DockerDaemon();
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
  Outcome run(std::vector<std::string> argv);
  void make_image();
  void unmount_all() const;
  void remove_cgroups() const;

  std::string root_;
  std::string cgroup_parent_;
  std::optional<os::Process> process_;
};

}  // namespace drover::test
