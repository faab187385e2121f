#include "driver/host_view.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "base/text.h"
#include "driver/command_sandbox.h"
#include "os/files.h"
#include "sandbox/inside_path.h"

namespace drover::driver {

namespace {

namespace fs = std::filesystem;
using sandbox::Limit;
using sandbox::Mount;
using sandbox::MountMode;
using sandbox::Ownership;

constexpr std::size_t kPackageFileMax = std::size_t{1} << 20U;
constexpr std::size_t kCoversMax = 32;
constexpr std::uint64_t kMemoryMb = 2048;
// Node has a dozen threads, and hooks are programs.
constexpr std::uint64_t kPids = 128;

// What holds another is shorter.
bool is_outer(std::string const& one, std::string const& other) {
  return one.size() < other.size();
}

// A folder of everybody's, in which a process may lie, and which is nobody's to show.
bool is_too_wide(std::string const& folder, HostSurroundings const& surroundings) {
  constexpr std::array<std::string_view, 13> kShared = {"/",    "/dev", "/etc",  "/home", "/media",
                                                        "/mnt", "/opt", "/proc", "/root", "/run",
                                                        "/sys", "/tmp", "/var"};
  if (std::ranges::find(kShared, folder) != kShared.end()) return true;
  return !surroundings.home.empty() && is_within(surroundings.home, folder);
}

bool is_workspace_root(fs::path const& folder) {
  if (os::exists((folder / "pnpm-workspace.yaml").string())) return true;
  auto const package = os::read_file((folder / "package.json").string(), kPackageFileMax);
  return package && package->contains("\"workspaces\"");
}

// The package that a module belongs to, or the workspace of packages that this one is a part of;
// the module alone where it lies in a folder that is everybody's.
std::string root_of_module(fs::path const& entry, HostSurroundings const& surroundings) {
  std::optional<fs::path> nearest;
  std::optional<fs::path> whole;
  for (fs::path folder = entry.parent_path(); !is_too_wide(folder.string(), surroundings);
       folder = folder.parent_path()) {
    if (!nearest && os::exists((folder / "package.json").string())) nearest = folder;
    if (is_workspace_root(folder)) whole = folder;
  }
  if (whole) return whole->string();
  if (nearest) return nearest->string();
  fs::path const own = entry.parent_path();
  return (is_too_wide(own.string(), surroundings) ? entry : own).string();
}

// Where Node looks for a package that the module's own folders do not have.
std::vector<std::string> outer_modules(std::string const& root) {
  std::vector<std::string> found;
  for (fs::path folder = fs::path{root}.parent_path(); folder != folder.root_path();
       folder = folder.parent_path())
    if (auto const modules = folder / "node_modules"; os::exists(modules.string()))
      found.push_back(modules.string());
  return found;
}

// What everybody may read is shown as it is on disk, so that what its owner keeps to himself in
// there stays his; what is the owner's as a whole is shown as his.
Ownership ownership_of(std::string const& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return Ownership::owner_is_agent;
  mode_t const needed = S_ISDIR(info.st_mode) ? S_IROTH | S_IXOTH : S_IROTH;
  bool const everybodys = (info.st_mode & needed) == needed;
  // Without root only the user's own files can be shown as the agent's.
  bool const ours = ::geteuid() == 0 || info.st_uid == ::geteuid();
  return everybodys || !ours ? Ownership::as_on_disk : Ownership::owner_is_agent;
}

class ViewMaker {
 public:
  void show(std::string const& path) {
    auto real = os::real_path(path);
    if (!real) return;
    // At its own name too, where that goes over links: the process knows it by that one.
    for (auto const& target : {*real, path}) {
      if (is_shown(target)) continue;
      mounts_.push_back({*real, target, MountMode::ro, ownership_of(*real)});
    }
  }

  // Covers what is not to be seen with a folder that has nothing but the way to the run.
  Status hide(std::string const& folder, std::string const& run_folder) {
    if (!is_shown(folder) || is_covered(folder)) return {};
    bool const has_run = !run_folder.empty() && is_within(run_folder, folder);
    std::string cover = run_folder.empty()
                            ? folder + "/nothing"
                            : fmt::format("{}/state/covers/{}", run_folder, covers_.size());
    std::string const way = has_run ? cover + run_folder.substr(folder.size()) : cover;
    if (!os::exists(way)) DROVER_TRY(os::make_folders(way));
    covers_.push_back(folder);
    auto const ownership = ownership_of(cover);
    mounts_.push_back({std::move(cover), folder, MountMode::ro, ownership});
    return {};
  }
  [[nodiscard]] bool is_covered(std::string_view path) const {
    return std::ranges::any_of(covers_,
                               [&](std::string const& cover) { return is_within(path, cover); });
  }
  void show_over_covers(std::string const& path, std::string const& target) {
    mounts_.push_back({path, target, MountMode::ro, ownership_of(path)});
  }
  [[nodiscard]] bool is_shown(std::string_view path) const {
    return std::ranges::any_of(mounts_,
                               [&](Mount const& mount) { return is_within(path, mount.target); });
  }
  [[nodiscard]] std::vector<Mount> take() { return std::move(mounts_); }

 private:
  std::vector<Mount> mounts_;
  std::vector<std::string> covers_;
};

// The runs that lie beside this one. One by one where the process lies among them.
Result<std::vector<std::string>> other_runs(std::string const& entry,
                                            std::string const& run_folder) {
  fs::path const root = fs::path{run_folder}.parent_path();
  if (!is_within(entry, root.string()) || is_within(entry, run_folder))
    return std::vector<std::string>{root.string()};
  std::vector<std::string> runs;
  std::error_code error;
  for (auto const& each : fs::directory_iterator{root, error})
    if (each.path() != run_folder && os::exists((each.path() / "run.json").string()))
      runs.push_back(each.path().string());
  if (error) return fail(ErrorCode::internal, "cannot list {}: {}", root.string(), error.message());
  if (runs.size() <= kCoversMax) return runs;
  return fail_next(ErrorCode::invalid_argument,
                   fmt::format("the process {} lies among over {} other runs, which no process is "
                               "to see",
                               printable(entry, 400), kCoversMax),
                   "keep processes in a folder of their own, and runs in another");
}

// The outer before the inner, which the cover of the outer hides already.
Result<std::vector<std::string>> hidden_folders(std::string const& entry,
                                                std::string const& run_folder,
                                                HostSurroundings const& surroundings) {
  std::vector<std::string> hidden = surroundings.hidden;
  for (auto const& folder : hidden)
    if (is_within(entry, folder) && (run_folder.empty() || !is_within(entry, run_folder)))
      return fail_next(ErrorCode::invalid_argument,
                       fmt::format("the process {} lies in {}, which no process sees",
                                   printable(entry, 400), folder),
                       "keep processes in a folder of their own");
  if (!run_folder.empty()) {
    auto runs = other_runs(entry, run_folder);
    if (!runs) return runs;
    hidden.insert(hidden.end(), runs->begin(), runs->end());
  }
  std::ranges::sort(hidden, is_outer);
  return hidden;
}

}  // namespace

Result<HostView> host_view(workflow::HostPlace const& place, HostSurroundings const& surroundings) {
  HostView view;
  auto entry = os::real_path(place.entry);
  if (!entry)
    return fail(ErrorCode::invalid_argument, "there is no process {}: {}",
                printable(place.entry, 400), entry.error().message);
  view.entry = *std::move(entry);
  view.cwd = "/tmp";
  std::vector<std::string> shown{root_of_module(view.entry, surroundings)};
  for (auto& modules : outer_modules(shown.front()))
    shown.push_back(std::move(modules));
  if (auto folder = os::real_path(place.working_folder);
      !place.working_folder.empty() && folder && !is_too_wide(*folder, surroundings)) {
    shown.push_back(place.working_folder);
    view.cwd = place.working_folder;
  }
  // The outer before the inner, which is then shown with it.
  std::ranges::sort(shown, is_outer);
  ViewMaker maker;
  for (auto const& path : shown)
    maker.show(path);
  std::string run_folder;
  if (!place.run_folder.empty()) {
    auto run = os::real_path(place.run_folder);
    if (!run) return std::unexpected(run.error());
    run_folder = *std::move(run);
  }
  auto const hidden = hidden_folders(view.entry, run_folder, surroundings);
  if (!hidden) return std::unexpected(hidden.error());
  for (auto const& folder : *hidden)
    DROVER_TRY(maker.hide(folder, run_folder));
  if (!run_folder.empty()) {
    if (!maker.is_shown(run_folder) || maker.is_covered(run_folder))
      maker.show_over_covers(run_folder, run_folder);
    if (place.run_folder != run_folder) maker.show(place.run_folder);
  }
  view.mounts = maker.take();
  return view;
}

sandbox::SandboxSpec host_spec_of(workflow::HostLaunch const& launch, HostView view,
                                  HostProgramFiles const& files,
                                  HostSurroundings const& surroundings) {
  sandbox::SandboxSpec spec;
  spec.argv = {files.node, "--eval", launch.program};
  spec.cwd = std::move(view.cwd);
  spec.mounts = std::move(view.mounts);
  spec.extra_ro_paths = files.needs;
  spec.env = {"HOME=/home/agent", fmt::format("PATH={}", sandbox::kPathInside), "TMPDIR=/tmp",
              "DROVER_PROCESS_SANDBOX=1"};
  spec.env.insert(spec.env.end(), surroundings.language.begin(), surroundings.language.end());
  spec.limits.memory_mb = Limit{.value = kMemoryMb};
  spec.limits.pids = Limit{.value = kPids};
  spec.inherited = {{launch.in, 3}, {launch.out, 4}};
  spec.out = STDERR_FILENO;
  spec.err = STDERR_FILENO;
  return spec;
}

}  // namespace drover::driver
