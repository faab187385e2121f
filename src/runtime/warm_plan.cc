#include "runtime/warm_plan.h"

#include <algorithm>
#include <map>

#include <boost/json.hpp>

#include "base/digest.h"
#include "base/json.h"

namespace drover::runtime {

namespace {

bool is_in(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

bool same(sandbox::Mount const& left, sandbox::Mount const& right) {
  return left.source == right.source && left.target == right.target && left.mode == right.mode &&
         left.ownership == right.ownership;
}

}  // namespace

std::string warm_kind(WorkloadSpec const& spec) {
  auto const& sandbox = spec.sandbox;
  auto const& limits = sandbox.limits;
  json::array argv;
  for (auto const& word : sandbox.argv)
    argv.emplace_back(word);
  json::array tmpfs;
  for (auto const& one : sandbox.tmpfs)
    tmpfs.push_back(json::array{one.target, one.size_mb});
  json::array paths;
  for (auto const& path : sandbox.extra_ro_paths)
    paths.emplace_back(path);
  json::array const all{spec.agent,
                        spec.image,
                        std::move(argv),
                        sandbox.cwd,
                        sandbox.rootfs,
                        sandbox.hostname,
                        std::move(tmpfs),
                        std::move(paths),
                        limits.memory_mb.value,
                        limits.pids.value,
                        limits.cpu_milli.value,
                        limits.file_size_mb,
                        limits.open_files};
  return sha256_hex(json::serialize(all));
}

bool fits(WarmWish const& wish, WorkloadSpec const& spec) {
  auto const& own = wish.spec.sandbox.mounts;
  bool const has_own = std::ranges::all_of(own, [&](sandbox::Mount const& mount) {
    return std::ranges::any_of(spec.sandbox.mounts,
                               [&](sandbox::Mount const& one) { return same(one, mount); });
  });
  auto const has_place = [&](std::string const& target) {
    return std::ranges::any_of(wish.places,
                               [&](std::string const& place) { return is_in(target, place); });
  };
  return !spec.agent.empty() && has_own && warm_kind(wish.spec) == warm_kind(spec) &&
         std::ranges::all_of(spec.sandbox.mounts, has_place, &sandbox::Mount::target) &&
         std::ranges::all_of(spec.sandbox.files, has_place, &sandbox::FileMount::target);
}

WarmPlan plan_warm(std::vector<WarmNeed> const& needs, std::vector<WarmHeld> const& held) {
  std::map<std::string, std::int64_t> missing;
  for (auto const& need : needs)
    missing[need.kind] = need.count;
  WarmPlan plan;
  for (auto const& one : held) {
    auto const found = missing.find(one.kind);
    bool const wanted = !one.gone && found != missing.end() && found->second > 0;
    if (wanted)
      --found->second;
    else
      plan.remove.push_back(one.container);
  }
  for (auto const& need : needs)
    for (std::int64_t count = missing[need.kind]; count > 0; --count)
      plan.start.push_back(need.kind);
  return plan;
}

}  // namespace drover::runtime
