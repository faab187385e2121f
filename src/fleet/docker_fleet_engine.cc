#include "fleet/docker_fleet_engine.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include <boost/json.hpp>

#include "base/log.h"
#include "fleet/docker_log_stream.h"
#include "fleet/mount_sources.h"
#include "fleet/resident_container.h"
#include "os/fd.h"
#include "os/files.h"
#include "runtime/engine_identity.h"
#include "sandbox/oci_seccomp.h"

namespace drover::fleet {

namespace {

using runtime::EngineAction;

// A volume that an engine has just made is root's.
Status give_away(std::string const& place, uid_t uid) {
  os::Fd const folder{::open(place.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!folder.valid()) {
    if (errno != ENOENT) return fail_errno("open the volume's folder", place);
    return fail_next(ErrorCode::unsupported,
                     fmt::format("the volume's folder {} is not on this machine", place),
                     "use a container engine of this machine");
  }
  struct stat info{};
  if (::fstat(folder.get(), &info) != 0) return fail_errno("look at", place);
  if (info.st_uid == uid) return {};
  if (::fchown(folder.get(), uid, uid) != 0) return fail_errno("give away", place);
  if (::fchmod(folder.get(), 0700) != 0) return fail_errno("set the mode of", place);
  return {};
}

}  // namespace

DockerFleetEngine::DockerFleetEngine(boost::asio::io_context& io, os::BlockingPool& pool,
                                     Random& random, DockerFleetSettings settings)
    : pool_(pool),
      random_(random),
      settings_(std::move(settings)),
      engine_(io, settings_.engine, runtime::kFleetLabel),
      maker_(engine_, {.image = {},
                       .oci_runtime = settings_.oci_runtime,
                       .cgroup_parent = settings_.cgroup_parent,
                       .seccomp_file = settings_.folder + "/seccomp.json",
                       .engine_socket = settings_.engine.unix_socket}),
      watch_(io.get_executor(), engine_, settings_.oci_runtime, hooks()) {}

// ---- its stream of events -----------------------------------------------------------------------

runtime::EngineWatch::Hooks DockerFleetEngine::hooks() {
  return {.identity = [this] { return identity(); },
          .began = [this] { return tell_to_look(); },
          .heard = [this](runtime::EngineEvent const& event) { hear(event); },
          .needed = [this] { return needed_(); }};
}

Task<Status> DockerFleetEngine::tell_to_look() {
  out_of_memory_.clear();  // what became of them is looked up
  tell({EngineNews::Kind::look, {}, {}});
  co_return Status{};
}

Task<Result<std::string>> DockerFleetEngine::identity() {
  if (!server_.empty()) co_return server_;
  auto find = [this]() -> Result<std::string> {
    auto found = runtime::engine_identity(settings_.folder, random_);
    if (!found) return found;
    DROVER_TRY(os::write_file_atomic(settings_.folder + "/seccomp.json",
                                     sandbox::oci_seccomp_profile(), 0600));
    return found;
  };
  auto found = co_await pool_.run(std::move(find));
  if (found) server_ = *found;
  co_return found;
}

void DockerFleetEngine::watch(std::function<void(EngineNews const&)> told,
                              std::function<bool()> needed) {
  told_ = std::move(told);
  needed_ = std::move(needed);
  if (needed_()) watch_.start(shared_from_this());
}

void DockerFleetEngine::hear(runtime::EngineEvent const& event) {
  switch (event.action) {
    case EngineAction::started:
      return tell({EngineNews::Kind::came, event.container, {}});
    case EngineAction::altered:
      return tell({EngineNews::Kind::look, event.container, {}});
    case EngineAction::ended: {
      LastEnd end;
      end.exit_code = event.exit_code;
      end.out_of_memory = out_of_memory_.erase(event.container) > 0;
      return tell({EngineNews::Kind::ended, event.container, end});
    }
    case EngineAction::removed:
      out_of_memory_.erase(event.container);
      return tell({EngineNews::Kind::gone, event.container, {}});
    case EngineAction::out_of_memory:
      out_of_memory_.insert(event.container);
      return;
    case EngineAction::other:
      return;
  }
}

Task<void> DockerFleetEngine::stop() {
  told_ = nullptr;
  needed_ = [] { return false; };
  watch_.close();
  engine_.close();
  co_return;
}

// ---- containers ---------------------------------------------------------------------------------

Task<Result<std::vector<Actual>>> DockerFleetEngine::list() {
  // It may have been nobody's need before.
  if (told_) watch_.start(shared_from_this());
  auto const server = co_await identity();
  if (!server) co_return std::unexpected(server.error());
  auto const seen = co_await engine_.list(*server);
  if (!seen) co_return std::unexpected(seen.error());
  std::vector<Actual> all;
  for (auto const& container : *seen)
    if (container.fleet == *server) all.push_back(actual_of(container));
  co_return all;
}

Task<Result<std::string>> DockerFleetEngine::create(Instance instance, std::string name) {
  auto const server = co_await identity();
  if (!server) co_return std::unexpected(server.error());
  auto told = [](std::string const&) {};
  auto terms = co_await maker_.terms(instance.workload, *server, instance.uid, std::move(told));
  if (!terms) co_return std::unexpected(terms.error());
  auto look = [spec = instance.workload.sandbox, user = terms->container.host_uid] {
    return mount_sources(spec, user);
  };
  auto binds = co_await pool_.run(std::move(look));
  if (!binds) co_return std::unexpected(binds.error());
  terms->container.binds = *std::move(binds);
  // Workspaces are mounted into it while it runs.
  terms->container.places = instance.workload.sandbox.places;
  auto request = maker_.request(instance.workload, *terms);
  if (!request) co_return std::unexpected(request.error());
  if (!request->unenforced.empty())
    log::info("fleet-limits-not-enforced",
              {{"instance", instance.name},
               {"limits", fmt::format("{}", fmt::join(request->unenforced, ","))}});
  auto body = resident_body(instance, *server, std::move(request->body));
  auto created = co_await engine_.create(std::move(name), std::move(body));
  // Somebody removed the image since it was looked at.
  if (!created && created.error().code == ErrorCode::not_found)
    engine_.forget_image(instance.workload.image);
  co_return created;
}

Task<Status> DockerFleetEngine::start(std::string container) {
  co_return co_await engine_.start(std::move(container));
}

Task<Status> DockerFleetEngine::freeze(std::string container) {
  co_return co_await engine_.pause(std::move(container));
}

Task<Status> DockerFleetEngine::unpause(std::string container) {
  co_return co_await engine_.unpause(std::move(container));
}

Task<Status> DockerFleetEngine::rename(std::string container, std::string name) {
  co_return co_await engine_.rename(std::move(container), std::move(name));
}

Task<Status> DockerFleetEngine::remove(std::string container, Millis grace) {
  // A frozen program could not hear the signal.
  auto const thawed = co_await engine_.unpause(container);
  if (!thawed) co_return thawed;
  auto const stopped = co_await engine_.stop(container, grace);
  if (!stopped) co_return stopped;
  co_return co_await engine_.remove(std::move(container));
}

Task<Result<Vitals>> DockerFleetEngine::describe(std::string container) {
  auto const seen = co_await engine_.inspect(std::move(container));
  if (!seen) co_return std::unexpected(seen.error());
  Vitals vitals;
  runtime::Container state;
  state.state = seen->state;
  state.restarting = seen->restarting;
  vitals.phase = actual_of(state).phase;
  vitals.pid = seen->pid;
  vitals.restarts = seen->restarts;
  vitals.started = seen->started;
  vitals.exit_code = seen->exit_code;
  vitals.out_of_memory = seen->out_of_memory;
  vitals.image = seen->image;
  vitals.error = seen->error;
  co_return vitals;
}

Task<Result<Usage>> DockerFleetEngine::usage(std::string container) {
  auto const used = co_await engine_.usage(std::move(container));
  if (!used) co_return std::unexpected(used.error());
  Usage usage;
  usage.memory_bytes = used->memory_bytes;
  usage.cpu_us = used->cpu_us;
  co_return usage;
}

Task<Result<std::string>> DockerFleetEngine::logs(std::string container, int lines) {
  co_return co_await engine_.output(std::move(container), lines);
}

Task<Result<std::unique_ptr<LogStream>>> DockerFleetEngine::follow(std::string container,
                                                                   LogStart start) {
  runtime::DockerEngine::OutputSince since;
  since.lines = start.lines;
  auto const behind = parse_engine_moment(start.cursor, container).value_or(EngineMoment{});
  if (!start.cursor.empty()) since.lines = 0;
  if (!behind.moment.empty()) since.second = behind.moment.substr(0, behind.moment.find('.'));
  auto opened = co_await engine_.follow_output(container, std::move(since));
  if (!opened) co_return std::unexpected(opened.error());
  co_return std::make_unique<DockerLogStream>(*std::move(opened), std::move(container), behind);
}

// ---- volumes ------------------------------------------------------------------------------------

Task<Result<VolumeState>> DockerFleetEngine::volume(Instance instance) {
  auto const server = co_await identity();
  if (!server) co_return std::unexpected(server.error());
  auto const seen = co_await engine_.volume(instance.volume);
  if (!seen && seen.error().code == ErrorCode::not_found) co_return VolumeState::missing;
  if (!seen) co_return std::unexpected(seen.error());
  bool const ours = seen->fleet == *server && seen->instance == instance.name;
  co_return ours ? VolumeState::ours : VolumeState::foreign;
}

Task<Status> DockerFleetEngine::make_volume(Instance instance) {
  auto const server = co_await identity();
  if (!server) co_return std::unexpected(server.error());
  auto const facts = co_await engine_.facts(settings_.oci_runtime);
  if (!facts) co_return std::unexpected(facts.error());
  if (::geteuid() != 0 && !facts->rootless)
    co_return fail_next(
        ErrorCode::unsupported,
        fmt::format("the container engine makes the volume of {} root's, and drover "
                    "is not root to give it away",
                    instance.name),
        "run drover as root, use a rootless engine of drover's own user, or the "
        "backend process");
  auto labels = volume_labels(instance, *server);
  auto const made = co_await engine_.create_volume(instance.volume, std::move(labels));
  if (!made) co_return made;
  if (::geteuid() != 0) co_return Status{};
  auto const seen = co_await engine_.volume(instance.volume);
  if (!seen) co_return std::unexpected(seen.error());
  co_return co_await give_volume(seen->place, instance.uid);
}

Task<Status> DockerFleetEngine::give_volume(std::string place, uid_t uid) {
  auto job = [place, uid] { return give_away(place, uid); };
  co_return co_await pool_.run(std::move(job));
}

Task<Status> DockerFleetEngine::wipe_volume(Instance instance) {
  auto const state = co_await volume(instance);
  if (!state) co_return std::unexpected(state.error());
  if (*state == VolumeState::missing) co_return Status{};
  if (*state == VolumeState::foreign)
    co_return fail(ErrorCode::forbidden, "the volume {} is not of this server", instance.volume);
  co_return co_await engine_.remove_volume(instance.volume);
}

}  // namespace drover::fleet
