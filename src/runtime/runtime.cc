#include "runtime/runtime.h"

#include <algorithm>

namespace drover::runtime {

bool is_live(WorkloadState state) {
  return state == WorkloadState::starting || state == WorkloadState::running ||
         state == WorkloadState::stopping;
}

StopReason stop_reason_of(Ending const& ending, std::optional<StopReason> asked) {
  bool const clean = ending.exit_code == 0;
  if (ending.out_of_memory && !clean) return StopReason::oom;
  if (asked) return *asked;
  return clean ? StopReason::completed : StopReason::failed;
}

namespace {

bool same(sandbox::Mount const& left, sandbox::Mount const& right) {
  return left.source == right.source && left.target == right.target && left.mode == right.mode &&
         left.ownership == right.ownership;
}

bool same(sandbox::FileMount const& left, sandbox::FileMount const& right) {
  return left.target == right.target && left.content == right.content;
}

bool same(sandbox::Tmpfs const& left, sandbox::Tmpfs const& right) {
  return left.target == right.target && left.size_mb == right.size_mb;
}

template <class T>
bool same(std::vector<T> const& left, std::vector<T> const& right) {
  return std::ranges::equal(left, right, [](T const& a, T const& b) { return same(a, b); });
}

bool same(sandbox::Limits const& left, sandbox::Limits const& right) {
  return left.memory_mb.value == right.memory_mb.value && left.pids.value == right.pids.value &&
         left.cpu_milli.value == right.cpu_milli.value && left.file_size_mb == right.file_size_mb &&
         left.open_files == right.open_files;
}

}  // namespace

std::vector<std::string> differing_fields(WorkloadSpec const& left, WorkloadSpec const& right) {
  auto const& one = left.sandbox;
  auto const& two = right.sandbox;
  std::vector<std::string> fields;
  auto const compare = [&fields](bool equal, char const* name) {
    if (!equal) fields.emplace_back(name);
  };
  compare(left.profile == right.profile, "profile");
  compare(left.backend == right.backend, "backend");
  compare(left.image == right.image, "image");
  compare(left.max_lifetime == right.max_lifetime, "maxLifetimeSec");
  compare(one.argv == two.argv, "argv");
  compare(one.env == two.env, "env");
  compare(one.cwd == two.cwd, "cwd");
  compare(same(one.mounts, two.mounts), "mounts");
  compare(same(one.files, two.files), "files");
  compare(same(one.tmpfs, two.tmpfs), "tmpfs");
  compare(one.extra_ro_paths == two.extra_ro_paths, "extra_ro_paths");
  compare(same(one.limits, two.limits), "resources");
  return fields;
}

}  // namespace drover::runtime
