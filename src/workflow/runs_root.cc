#include "workflow/runs_root.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "os/files.h"

namespace drover::workflow {

namespace {

namespace fs = std::filesystem;

std::string absolute(std::string const& path, std::string const& cwd) {
  auto normal = (fs::path{cwd} / path).lexically_normal().string();
  while (normal.size() > 1 && normal.ends_with('/'))
    normal.pop_back();
  return normal;
}

bool is_run(std::string const& path) {
  return os::exists(path + "/run.json");
}

}  // namespace

std::string runs_root(RunsPlaces const& places) {
  if (!places.runs_dir.empty()) return absolute(places.runs_dir, places.cwd);
  if (!places.env_runs_dir.empty()) return absolute(places.env_runs_dir, places.cwd);
  if (places.env_scope == "repo") return absolute(".a5c/runs", places.cwd);
  std::string const global =
      places.env_global_folder.empty() ? places.home + "/.a5c" : places.env_global_folder;
  return absolute(global + "/runs", places.cwd);
}

std::vector<std::string> runs_roots(RunsPlaces const& places) {
  std::vector<std::string> roots = {runs_root(places)};
  auto const local = absolute(".a5c/runs", places.cwd);
  if (places.runs_dir.empty() && std::ranges::find(roots, local) == roots.end())
    roots.push_back(local);
  return roots;
}

Result<FoundRun> find_run(std::string const& argument, RunsPlaces const& places) {
  if (argument.empty()) return fail(ErrorCode::invalid_argument, "which run?");
  auto const path = absolute(argument, places.cwd);
  if (is_run(path)) return FoundRun{RunFolder{path}, argument};
  std::string looked;
  for (auto const& root : runs_roots(places)) {
    looked += (looked.empty() ? "" : ", ") + root;
    if (!is_plain_name(argument)) continue;
    auto const candidate = fmt::format("{}/{}", root, argument);
    if (is_run(candidate)) return FoundRun{RunFolder{candidate}, candidate};
  }
  return fail_next(ErrorCode::not_found,
                   fmt::format("there is no run {} here or in {}", printable(argument), looked),
                   "name its directory, or where runs are with --runs-dir");
}

std::vector<RunFolder> runs_in(RunsPlaces const& places) {
  std::vector<RunFolder> runs;
  for (auto const& root : runs_roots(places)) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entries{root, error}; !error && entries != fs::directory_iterator{};
         entries.increment(error))
      names.push_back(entries->path().filename().string());
    std::ranges::sort(names);
    for (auto const& name : names)
      if (is_plain_name(name) && is_run(fmt::format("{}/{}", root, name)))
        runs.emplace_back(fmt::format("{}/{}", root, name));
  }
  return runs;
}

}  // namespace drover::workflow
