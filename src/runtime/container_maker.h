#pragma once
// How a container of a workload is asked for: its image (pulled where it is missing), its user,
// what this engine can enforce; then the container itself. On the event loop.
#include <functional>
#include <string>

#include "runtime/container_spec.h"
#include "runtime/docker_engine.h"

namespace drover::runtime {

struct MakerSettings {
  std::string image{};          // of specs that name none
  std::string oci_runtime{};    // empty: the engine's default
  std::string cgroup_parent{};  // empty: the engine's default
  std::string seccomp_file{};   // where Podman reads the profile, which Docker is sent
  std::string engine_socket{};  // never to be mounted; empty where the engine has none
};

class ContainerMaker {
 public:
  ContainerMaker(DockerEngine& engine, MakerSettings settings)
      : engine_(engine), settings_(std::move(settings)) {}

  struct Terms {
    ContainerTerms container;  // but for its binds
    EngineFacts facts;
  };
  // For a workload whose program is `session` on the host (SessionUids). The engine answers, and
  // this server is `server` to it. What a pull says goes to `told`.
  Task<Result<Terms>> terms(WorkloadSpec spec, std::string server, uid_t session,
                            std::function<void(std::string const&)> told);
  // invalid_argument for a spec without an image.
  [[nodiscard]] Result<std::string> image_of(WorkloadSpec const& spec) const;

  [[nodiscard]] Result<ContainerRequest> request(WorkloadSpec const& spec,
                                                 Terms const& terms) const;
  // The id of the container. One of the same workload is in nobody's way: its creation was never
  // answered, or its removal failed.
  Task<Result<std::string>> create(std::string server, WorkloadId id, json::object body);

 private:
  Task<Status> make_room(std::string server, WorkloadId id);

  DockerEngine& engine_;
  MakerSettings settings_;
};

}  // namespace drover::runtime
