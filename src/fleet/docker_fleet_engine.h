#pragma once
// The fleet on a container engine: Docker, or Podman's compatible socket. Its containers outlive
// the server, and the engine starts them again by itself (unless-stopped). They have labels of
// their own, so that the Docker backend, which removes what belongs to nothing, never sees them.
//
// The environment of a container is in the body of the request that makes it: nothing of it is in a
// file at any time (docs/decisions/0027).
#include <memory>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/random.h"
#include "fleet/engine.h"
#include "runtime/container_maker.h"
#include "runtime/docker_engine.h"
#include "runtime/engine_watch.h"

namespace drover::fleet {

struct DockerFleetSettings {
  runtime::EngineAddress engine{};
  std::string folder{};         // `<state>/docker`
  std::string oci_runtime{};    // empty: the engine's default
  std::string cgroup_parent{};  // likewise
};

// Shared, because its coroutines hold it. The loop and the pool outlive it.
class DockerFleetEngine final : public FleetEngine,
                                public std::enable_shared_from_this<DockerFleetEngine> {
 public:
  DockerFleetEngine(boost::asio::io_context& io, os::BlockingPool& pool, Random& random,
                    DockerFleetSettings settings);

  [[nodiscard]] std::string_view backend() const override { return "docker"; }
  Task<Result<std::vector<Actual>>> list() override;
  Task<Result<std::string>> create(Instance instance, std::string name) override;
  Task<Status> start(std::string container) override;
  Task<Status> freeze(std::string container) override;
  Task<Status> unpause(std::string container) override;
  Task<Status> rename(std::string container, std::string name) override;
  Task<Status> remove(std::string container, Millis grace) override;
  Task<Result<VolumeState>> volume(Instance instance) override;
  Task<Status> make_volume(Instance instance) override;
  Task<Status> wipe_volume(Instance instance) override;
  Task<Result<Vitals>> describe(std::string container) override;
  Task<Result<Usage>> usage(std::string container) override;
  Task<Result<std::string>> logs(std::string container, int lines) override;
  Task<Result<std::unique_ptr<LogStream>>> follow(std::string container, LogStart start) override;
  void watch(std::function<void(EngineNews const&)> told, std::function<bool()> needed) override;
  Task<void> stop() override;

 private:
  [[nodiscard]] runtime::EngineWatch::Hooks hooks();
  // As whom this server is known to the engine. Made when it is first needed: a folder of an engine
  // is one that has to be looked at.
  Task<Status> tell_to_look();
  Task<Result<std::string>> identity();
  void hear(runtime::EngineEvent const& event);
  void tell(EngineNews const& news) {
    if (told_) told_(news);
  }
  Task<Status> give_volume(std::string place, uid_t uid);

  os::BlockingPool& pool_;
  Random& random_;
  DockerFleetSettings settings_;
  std::string server_;  // empty until it is needed
  runtime::DockerEngine engine_;
  runtime::ContainerMaker maker_;
  runtime::EngineWatch watch_;
  std::set<std::string> out_of_memory_;  // containers of which that was said since they last ended
  std::function<void(EngineNews const&)> told_{};
  std::function<bool()> needed_ = [] { return false; };
};

}  // namespace drover::fleet
