#pragma once
// A workload as the container that an engine is asked for. Pure.
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "runtime/engine_replies.h"
#include "runtime/runtime.h"

namespace drover::runtime {

// A source as the engine is to bind it, after its ownership was taken care of.
struct BoundSource {
  std::string source{};  // absolute, of the host
  std::string target{};
  sandbox::MountMode mode = sandbox::MountMode::ro;
};

struct ContainerUser {
  uid_t uid = 0;  // as seen inside
  gid_t gid = 0;
};

struct ContainerTerms {
  std::string server{};  // the identity of this server's state folder
  std::string image{};
  std::string oci_runtime{};  // gVisor's runsc, Kata; empty: the engine's default
  ContainerUser user{};
  uid_t host_uid = 0;  // that the user is on the host
  std::vector<BoundSource> binds{};
  std::vector<std::string> image_volumes{};  // get a tmpfs each: they would be writable disk
  // For mounts that come later: of root, so that nobody inside writes beside them.
  std::vector<std::string> places{};
  // The limit of processes of the user (not of the container: Limits::pids), where the engine would
  // raise it, which not every root may; 0: as the engine has it.
  std::uint64_t user_processes = 0;
  std::string seccomp_profile{};  // as this engine takes it: its text, or the path of a file
};

// What the host cannot enforce and nobody asked for is left out and named in `unenforced`; what
// somebody asked for is a refusal.
struct ContainerRequest {
  json::object body{};
  std::vector<std::string> unenforced{};
};
[[nodiscard]] Result<ContainerRequest> container_request(WorkloadSpec const& spec,
                                                         ContainerTerms const& terms,
                                                         EngineFacts const& facts);

// The same for equal specs alone, across restarts. Says nothing about the environment in it.
[[nodiscard]] std::string spec_digest(WorkloadSpec const& spec);

// drover-<server>-<workload>
[[nodiscard]] std::string container_name(std::string_view server, WorkloadId const& id);

// Who the program is in the container. Never root of the host: drover's root gives each workload a
// uid of its own, any other drover is itself, also inside an engine that runs as the same user.
// unsupported for an engine whose ids mean something else.
[[nodiscard]] Result<ContainerUser> container_user(EngineFacts const& facts, uid_t drover,
                                                   gid_t drover_group, uid_t session);

// Whoever reaches the engine's socket is root of its machine: forbidden for a mount that is it, or
// a folder around it.
[[nodiscard]] Status keep_engine_apart(sandbox::SandboxSpec const& spec,
                                       std::string_view engine_socket);

// unsupported, with the fix, for an engine that cannot hold a sandbox of drover's.
[[nodiscard]] Status check_engine(EngineFacts const& facts, std::string_view architecture,
                                  std::string_view oci_runtime);

}  // namespace drover::runtime
