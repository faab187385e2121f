#include "runtime/container_maker.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/json.hpp>

#include "os/files.h"
#include "sandbox/oci_seccomp.h"

namespace drover::runtime {

namespace {

// Not above what the engine has itself: ours, or the number of processes that the kernel can count,
// which is what Podman gives itself. 0: unknown.
std::uint64_t process_limit() {
  rlimit limit{};
  auto const text = os::read_file("/proc/sys/kernel/pid_max", 64);
  std::uint64_t kernel = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), kernel);
  if (::getrlimit(RLIMIT_NPROC, &limit) != 0) return 0;
  return std::min<std::uint64_t>(limit.rlim_max, kernel);
}

}  // namespace

Result<std::string> ContainerMaker::image_of(WorkloadSpec const& spec) const {
  if (!spec.image.empty()) return spec.image;
  if (!settings_.image.empty()) return settings_.image;
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("workload {} names no image for its container", spec.id),
                   "name one in the agent, or set DROVER_DOCKER_IMAGE");
}

Task<Result<ContainerMaker::Terms>> ContainerMaker::terms(
    WorkloadSpec spec, std::string server, uid_t session,
    std::function<void(std::string const&)> told) {
  auto const name = image_of(spec);
  if (!name) co_return std::unexpected(name.error());
  auto const apart = keep_engine_apart(spec.sandbox, settings_.engine_socket);
  if (!apart) co_return std::unexpected(apart.error());
  auto facts = co_await engine_.facts(settings_.oci_runtime);
  if (!facts) co_return std::unexpected(facts.error());
  auto const user = container_user(*facts, ::geteuid(), ::getegid(), session);
  if (!user) co_return std::unexpected(user.error());
  auto image = co_await engine_.image(*name, std::move(told));
  if (!image) co_return std::unexpected(image.error());
  Terms terms;
  terms.facts = *std::move(facts);
  terms.container.server = std::move(server);
  terms.container.image = *name;
  terms.container.oci_runtime = settings_.oci_runtime;
  terms.container.user = *user;
  terms.container.host_uid = ::geteuid() == 0 ? session : ::geteuid();
  terms.container.image_volumes = std::move(image->volumes);
  terms.container.seccomp_profile =
      terms.facts.podman ? settings_.seccomp_file : sandbox::oci_seccomp_profile();
  if (terms.facts.podman) terms.container.user_processes = process_limit();
  co_return terms;
}

Result<ContainerRequest> ContainerMaker::request(WorkloadSpec const& spec,
                                                 Terms const& terms) const {
  auto request = container_request(spec, terms.container, terms.facts);
  if (request && !settings_.cgroup_parent.empty())
    request->body["HostConfig"].as_object()["CgroupParent"] = settings_.cgroup_parent;
  return request;
}

Task<Result<std::string>> ContainerMaker::create(std::string server, WorkloadId id,
                                                 json::object body) {
  std::string const name = container_name(server, id);
  std::string const image{body.at("Image").as_string()};
  auto created = co_await engine_.create(name, body);
  if (!created && created.error().code == ErrorCode::conflict) {
    auto const room = co_await make_room(server, id);
    if (!room) co_return std::unexpected(room.error());
    created = co_await engine_.create(name, std::move(body));
  }
  // Somebody removed the image since it was looked at.
  if (!created && created.error().code == ErrorCode::not_found) engine_.forget_image(image);
  co_return created;
}

// Only what has our label goes: a name is anybody's to take.
Task<Status> ContainerMaker::make_room(std::string server, WorkloadId id) {
  auto const seen = co_await engine_.list(server);
  if (!seen) co_return std::unexpected(seen.error());
  for (auto const& container : *seen) {
    if (container.server != server || container.workload != id.str()) continue;
    auto const removed = co_await engine_.remove(container.id);
    if (!removed) co_return removed;
  }
  co_return Status{};
}

}  // namespace drover::runtime
