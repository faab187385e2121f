#include "fleet/fleet.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

#include "base/digest.h"
#include "os/files.h"

namespace drover::fleet {

namespace {

// Another one after each build and each installation, without reading all of it at each start.
Result<std::string> digest_of(std::string const& program) {
  struct stat info{};
  if (::stat(program.c_str(), &info) != 0) return fail_errno("look at", program);
  return sha256_hex(
      fmt::format("{} {} {}.{}", program, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec));
}

// The server's socket for the program inside is made in it. The container sees the folder itself,
// not the ones around it.
Task<Status> make_line_folder(os::BlockingPool& pool, std::string path) {
  auto make = [path] { return os::make_folders(path, 0755); };
  co_return co_await pool.run(std::move(make));
}

Task<Status> remove_folder(os::BlockingPool& pool, std::string path) {
  auto remove = [path] { return os::remove_tree(path); };
  co_return co_await pool.run(std::move(remove));
}

FleetPlaces places_of(FleetSettings const& settings, std::string digest) {
  FleetPlaces places;
  places.prefix = settings.prefix;
  places.state_folder = settings.state_folder;
  places.unit_program = settings.unit_program;
  places.unit_digest = std::move(digest);
  places.backend = settings.backend;
  places.image = settings.docker.image;
  return places;
}

}  // namespace

Result<std::unique_ptr<Fleet>> Fleet::make(FleetParts const& parts, FleetSettings settings) {
  auto state = os::real_path(settings.state_folder);
  if (!state) return std::unexpected(state.error());
  settings.state_folder = *std::move(state);
  auto program = os::real_path(settings.unit_program);
  if (!program) return std::unexpected(program.error());
  settings.unit_program = *std::move(program);
  auto digest = digest_of(settings.unit_program);
  if (!digest) return std::unexpected(digest.error());
  auto const places = places_of(settings, *std::move(digest));

  std::unique_ptr<Fleet> fleet{new Fleet};
  DockerFleetSettings docker;
  docker.engine = settings.docker.engine;
  docker.folder = settings.state_folder + "/docker";
  docker.oci_runtime = settings.docker.oci_runtime;
  docker.cgroup_parent = settings.docker.cgroup_parent;
  fleet->docker_ =
      std::make_shared<DockerFleetEngine>(parts.io, parts.pool, parts.random, std::move(docker));
  std::vector<FleetEngine*> engines{fleet->docker_.get()};
  if (parts.process != nullptr) {
    fleet->process_ = std::make_unique<ProcessFleetEngine>(*parts.process, parts.pool, places);
    engines.push_back(fleet->process_.get());
  }
  ReconcilerParts reconciler{
      .executor = parts.io.get_executor(),
      .clock = parts.clock,
      .random = parts.random,
      .writer = parts.writer,
      .agents = parts.agents,
      .engines = std::move(engines),
      .prepare_host =
          [&pool = parts.pool, places](Instance const& instance) {
            return make_line_folder(pool, line_folder(places, instance.name));
          },
      .wipe_host =
          [&pool = parts.pool, places](Instance const& instance) {
            return remove_folder(pool, instance_folder(places, instance.name));
          },
  };
  ReconcilerOptions options;
  options.places = places;
  options.period = settings.period;
  fleet->reconciler_ = std::make_unique<Reconciler>(std::move(reconciler), std::move(options));
  return fleet;
}

}  // namespace drover::fleet
