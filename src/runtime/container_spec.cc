#include "runtime/container_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include <boost/json.hpp>

#include "base/digest.h"

namespace drover::runtime {

namespace {

using sandbox::Limit;
using sandbox::LimitOrigin;
using sandbox::MountMode;

constexpr std::string_view kSharedMemory = "/dev/shm";
constexpr std::uint64_t kImageVolumeMb = 64;
constexpr std::int64_t kNanosOfMilliCpu = 1'000'000;

json::array array_of(std::vector<std::string> const& texts) {
  json::array array;
  for (auto const& text : texts)
    array.emplace_back(text);
  return array;
}

// One limit that the engine takes, and whether it can.
class LimitWriter {
 public:
  LimitWriter(json::object& host, ContainerRequest& request) : host_(host), request_(request) {}

  // Whether it is to be set.
  Result<bool> may_set(std::string_view name, Limit const& limit, bool enforced) {
    if (limit.value == 0) return false;
    if (enforced) return true;
    if (limit.origin == LimitOrigin::asked)
      return fail_next(ErrorCode::unsupported,
                       fmt::format("the container engine cannot enforce the {} limit", name),
                       fmt::format("give its host the {} controller of control groups, or ask for "
                                   "no such limit",
                                   name));
    request_.unenforced.emplace_back(name);
    return false;
  }
  void set(std::string_view key, std::uint64_t value) {
    host_[key] = static_cast<std::int64_t>(value);
  }

 private:
  json::object& host_;
  ContainerRequest& request_;
};

Status add_limits(sandbox::Limits const& limits, std::uint64_t user_processes,
                  EngineFacts const& facts, json::object& host, ContainerRequest& request) {
  LimitWriter writer{host, request};
  auto const memory = writer.may_set("memory", limits.memory_mb, facts.memory_limit);
  if (!memory) return std::unexpected(memory.error());
  if (*memory) {
    writer.set("Memory", limits.memory_mb.value << 20U);
    // No swap on top: with it the limit would be twice as much.
    if (facts.swap_limit) writer.set("MemorySwap", limits.memory_mb.value << 20U);
  }
  auto const pids = writer.may_set("pids", limits.pids, facts.pids_limit);
  if (!pids) return std::unexpected(pids.error());
  if (*pids) writer.set("PidsLimit", limits.pids.value);
  auto const cpu = writer.may_set("cpu", limits.cpu_milli, facts.cpu_limit);
  if (!cpu) return std::unexpected(cpu.error());
  if (*cpu) writer.set("NanoCpus", limits.cpu_milli.value * kNanosOfMilliCpu);

  json::array ulimits;
  auto const add = [&ulimits](std::string_view name, std::uint64_t value) {
    auto const number = static_cast<std::int64_t>(value);
    ulimits.push_back(json::object{{"Name", name}, {"Soft", number}, {"Hard", number}});
  };
  add("core", 0);
  if (user_processes != 0) add("nproc", user_processes);
  if (limits.file_size_mb != 0) add("fsize", limits.file_size_mb << 20U);
  if (limits.open_files != 0) add("nofile", limits.open_files);
  host["Ulimits"] = std::move(ulimits);
  return {};
}

// As in a sandbox of the process backend: a shared one is sticky, a home is its owner's. Podman has
// no names for owners and inodes; its home is everybody's, and there is nobody else.
std::string tmpfs_options(std::string_view target, std::uint64_t size_mb, ContainerUser const& user,
                          EngineFacts const& facts) {
  if (facts.podman)
    return fmt::format("rw,nosuid,nodev,exec,size={}m,mode=1777,notmpcopyup", size_mb);
  bool const home = target.starts_with("/home/");
  return fmt::format("rw,nosuid,nodev,exec,size={}m,nr_inodes={},mode={},uid={},gid={}", size_mb,
                     size_mb * 256, home ? "0755" : "1777", user.uid, user.gid);
}

void add_tmpfs(WorkloadSpec const& spec, ContainerTerms const& terms, EngineFacts const& facts,
               json::object& host, ContainerRequest& request) {
  json::object tmpfs;
  for (auto const& one : spec.sandbox.tmpfs) {
    if (one.target == kSharedMemory)
      host["ShmSize"] = static_cast<std::int64_t>(one.size_mb << 20U);
    else
      tmpfs[one.target] = tmpfs_options(one.target, one.size_mb, terms.user, facts);
  }
  for (auto const& folder : terms.image_volumes) {
    bool const mounted = std::ranges::any_of(
        terms.binds, [&](BoundSource const& bind) { return bind.target == folder; });
    if (!mounted && !tmpfs.contains(folder))
      tmpfs[folder] = tmpfs_options(folder, kImageVolumeMb, terms.user, facts);
  }
  for (auto const& place : terms.places)
    tmpfs[place] = facts.podman ? "rw,nosuid,nodev,size=1m,mode=0755,notmpcopyup"
                                : "rw,nosuid,nodev,size=1m,nr_inodes=1024,mode=0755";
  if (facts.podman && !tmpfs.empty()) request.unenforced.emplace_back("inodes");
  host["Tmpfs"] = std::move(tmpfs);
}

json::array mounts_of(std::vector<BoundSource> const& binds) {
  json::array mounts;
  for (auto const& bind : binds)
    mounts.push_back(json::object{{"Type", "bind"},
                                  {"Source", bind.source},
                                  {"Target", bind.target},
                                  {"ReadOnly", bind.mode == MountMode::ro},
                                  {"BindOptions", json::object{{"Propagation", "rprivate"}}}});
  return mounts;
}

json::object labels_of(WorkloadSpec const& spec, ContainerTerms const& terms) {
  return {{kServerLabel, terms.server},
          {kWorkloadLabel, spec.id.str()},
          {kSpecLabel, spec_digest(spec)},
          {kUserLabel, fmt::format("{}", terms.host_uid)}};
}

Status refuse_what_is_not_theirs(WorkloadSpec const& spec) {
  auto const& sandbox = spec.sandbox;
  if (!sandbox.rootfs.empty())
    return fail_next(ErrorCode::unsupported,
                     fmt::format("workload {} has a root file system, and a container has that of "
                                 "its image",
                                 spec.id),
                     "name an image in place of the rootfs, or the backend process");
  if (sandbox.inherited.empty() && sandbox.in < 0 && sandbox.out < 0 && sandbox.err < 0) return {};
  return fail(ErrorCode::unsupported,
              "workload {} inherits descriptors, which no container engine can hand over", spec.id);
}

}  // namespace

Result<ContainerRequest> container_request(WorkloadSpec const& spec, ContainerTerms const& terms,
                                           EngineFacts const& facts) {
  DROVER_TRY(refuse_what_is_not_theirs(spec));
  ContainerRequest request;
  json::object host{{"NetworkMode", "none"},
                    {"ReadonlyRootfs", true},
                    {"CapDrop", json::array{"ALL"}},
                    {"Privileged", false},
                    {"IpcMode", "private"},
                    {"CgroupnsMode", "private"},
                    {"AutoRemove", false},  // its end is looked at first
                    {"RestartPolicy", json::object{{"Name", "no"}}},
                    {"Mounts", mounts_of(terms.binds)}};
  json::array security{"no-new-privileges"};
  if (!terms.seccomp_profile.empty())
    security.emplace_back(fmt::format("seccomp={}", terms.seccomp_profile));
  host["SecurityOpt"] = std::move(security);
  // An agent that never stops writing must not fill the engine's disk.
  host["LogConfig"] = json::object{{"Type", "json-file"},
                                   {"Config", json::object{{"max-size", "1m"}, {"max-file", "2"}}}};
  if (!terms.oci_runtime.empty()) host["Runtime"] = terms.oci_runtime;
  DROVER_TRY(add_limits(spec.sandbox.limits, terms.user_processes, facts, host, request));
  add_tmpfs(spec, terms, facts, host, request);

  request.body = json::object{{"Image", terms.image},
                              {"Env", array_of(spec.sandbox.env)},
                              {"WorkingDir", spec.sandbox.cwd},
                              {"User", fmt::format("{}:{}", terms.user.uid, terms.user.gid)},
                              {"Hostname", spec.sandbox.hostname},
                              {"Labels", labels_of(spec, terms)},
                              {"NetworkDisabled", true},
                              {"StopSignal", "SIGTERM"},
                              // Of an image: a program that nobody asked for, run again and again.
                              {"Healthcheck", json::object{{"Test", json::array{"NONE"}}}}};
  // Without a command the image's own is run.
  if (!spec.sandbox.argv.empty()) {
    request.body["Entrypoint"] = array_of(spec.sandbox.argv);
    request.body["Cmd"] = json::array{};
  }
  request.body["HostConfig"] = std::move(host);
  return request;
}

std::string spec_digest(WorkloadSpec const& spec) {
  auto const& sandbox = spec.sandbox;
  json::array mounts;
  for (auto const& mount : sandbox.mounts)
    mounts.push_back(json::array{mount.source, mount.target, static_cast<int>(mount.mode),
                                 static_cast<int>(mount.ownership)});
  json::array files;
  for (auto const& file : sandbox.files)
    files.push_back(json::array{file.target, file.content});
  json::array tmpfs;
  for (auto const& one : sandbox.tmpfs)
    tmpfs.push_back(json::array{one.target, one.size_mb});
  auto const& limits = sandbox.limits;
  json::array const all{spec.profile,
                        spec.image,
                        spec.max_lifetime.count(),
                        array_of(sandbox.argv),
                        array_of(sandbox.env),
                        sandbox.cwd,
                        std::move(mounts),
                        std::move(files),
                        std::move(tmpfs),
                        array_of(sandbox.extra_ro_paths),
                        limits.memory_mb.value,
                        limits.pids.value,
                        limits.cpu_milli.value,
                        limits.file_size_mb,
                        limits.disk_mb,
                        limits.open_files};
  return sha256_hex(json::serialize(all));
}

std::string container_name(std::string_view server, WorkloadId const& id) {
  return fmt::format("drover-{}-{}", server, id);
}

Result<ContainerUser> container_user(EngineFacts const& facts, uid_t drover, gid_t drover_group,
                                     uid_t session) {
  if (facts.remapped)
    return fail_next(ErrorCode::unsupported,
                     "the container engine gives the users of containers other ids on the host, "
                     "which workspaces cannot follow",
                     "run the engine without userns-remap, or rootless as drover's own user");
  if (drover == 0 && facts.rootless)
    return fail_next(ErrorCode::unsupported,
                     "the container engine is rootless and drover is root, whose workspaces it "
                     "cannot reach",
                     "run drover as the engine's user, or use the system's engine");
  if (drover == 0) return ContainerUser{session, session};
  // Root of a rootless engine is the user that runs it, without a capability of the host's.
  if (facts.rootless) return ContainerUser{0, 0};
  return ContainerUser{drover, drover_group};
}

Status keep_engine_apart(sandbox::SandboxSpec const& spec, std::string_view engine_socket) {
  if (engine_socket.empty()) return {};
  // /var/run is a link to /run on most machines.
  constexpr std::string_view kLink = "/var/run/";
  std::vector<std::string> places{std::string{engine_socket}};
  if (engine_socket.starts_with(kLink))
    places.push_back(fmt::format("/run/{}", engine_socket.substr(kLink.size())));
  auto sources = spec.extra_ro_paths;
  for (auto const& mount : spec.mounts)
    sources.push_back(mount.source);
  for (auto const& source : sources)
    for (auto const& place : places)
      if (source == "/" || place == source || place.starts_with(source + "/"))
        return fail_next(ErrorCode::forbidden,
                         fmt::format("{} would bring the container engine's socket {} into the "
                                     "container",
                                     source, place),
                         "mount a folder that does not hold it");
  return {};
}

Status check_engine(EngineFacts const& facts, std::string_view architecture,
                    std::string_view oci_runtime) {
  if (facts.os != "linux" || facts.architecture != architecture)
    return fail_next(ErrorCode::unsupported,
                     fmt::format("the container engine runs {} on {}, and drover's unit is a "
                                 "program for linux on {}",
                                 facts.os, facts.architecture, architecture),
                     "use an engine of this machine");
  if (!facts.seccomp)
    return fail_next(ErrorCode::unsupported,
                     "the container engine does not filter system calls (seccomp)",
                     "use an engine and a kernel with seccomp");
  if (!oci_runtime.empty() && !facts.runtimes.contains(std::string{oci_runtime}))
    return fail_next(ErrorCode::unsupported,
                     fmt::format("the container engine knows no runtime {}; it has {}", oci_runtime,
                                 fmt::join(facts.runtimes, ", ")),
                     "add it to the engine's configuration, or unset DROVER_DOCKER_RUNTIME");
  return {};
}

}  // namespace drover::runtime
