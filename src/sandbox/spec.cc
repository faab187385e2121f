#include "sandbox/spec.h"

#include <algorithm>
#include <set>

#include "base/id.h"
#include "base/text.h"

namespace drover::sandbox {

namespace {

bool is_clean_absolute(std::string_view path) {
  if (path.size() < 2 || path.size() > 4000 || path[0] != '/' || path.back() == '/') return false;
  if (path.find('\0') != std::string_view::npos) return false;
  for (std::size_t at = 0; at < path.size();) {
    auto const end = std::min(path.find('/', at + 1), path.size());
    auto const part = path.substr(at + 1, end - at - 1);
    if (part.empty() || part == "." || part == "..") return false;
    at = end;
  }
  return true;
}

Status require_path(std::string_view what, std::string_view path) {
  if (is_clean_absolute(path)) return {};
  return fail(ErrorCode::invalid_argument,
              "the sandbox's {} \"{}\" must be an absolute path without \"..\" or a final \"/\"",
              what, printable(path));
}

Status validate_strings(SandboxSpec const& spec) {
  std::size_t bytes = 0;
  for (auto const* list : {&spec.argv, &spec.env})
    for (auto const& text : *list) {
      bytes += text.size() + 1;
      if (text.find('\0') != std::string::npos)
        return fail(ErrorCode::invalid_argument, "an argument of the sandbox holds a NUL byte");
    }
  if (bytes > kArgumentBytesMax)
    return fail(ErrorCode::too_large,
                "arguments and environment of the sandbox take {} bytes; the limit is {}", bytes,
                kArgumentBytesMax);
  for (auto const& text : spec.env)
    if (auto const equals = text.find('='); equals == 0 || equals == std::string::npos)
      return fail(ErrorCode::invalid_argument,
                  "an entry of the sandbox's environment is not NAME=value");
  return {};
}

Status validate_mounts(SandboxSpec const& spec) {
  auto const count = spec.mounts.size() + spec.files.size() + spec.extra_ro_paths.size();
  if (count > kMountsMax)
    return fail(ErrorCode::too_large, "a sandbox takes at most {} mounts, not {}", kMountsMax,
                count);
  for (auto const& mount : spec.mounts) {
    DROVER_TRY(require_path("mount source", mount.source));
    DROVER_TRY(require_path("mount target", mount.target));
  }
  if (!spec.rootfs.empty()) DROVER_TRY(require_path("root file system", spec.rootfs));
  for (auto const& path : spec.extra_ro_paths)
    DROVER_TRY(require_path("read-only path", path));
  for (auto const& tmpfs : spec.tmpfs) {
    DROVER_TRY(require_path("tmpfs", tmpfs.target));
    if (tmpfs.size_mb == 0)
      return fail(ErrorCode::invalid_argument, "the tmpfs {} needs a size", tmpfs.target);
  }
  for (auto const& place : spec.places)
    DROVER_TRY(require_path("place", place));
  for (auto const& file : spec.files) {
    DROVER_TRY(require_path("file", file.target));
    if (file.content.size() > kFileContentBytesMax)
      return fail(ErrorCode::too_large, "the sandbox's file {} is over the limit of {} bytes",
                  file.target, kFileContentBytesMax);
  }
  return {};
}

Status validate_descriptors(SandboxSpec const& spec) {
  if (spec.inherited.size() > kDescriptorsMax)
    return fail(ErrorCode::too_large, "a sandbox inherits at most {} descriptors", kDescriptorsMax);
  std::set<int> numbers;
  for (auto const& one : spec.inherited)
    if (one.fd < 0 || one.number < 3 || one.number > kDescriptorNumberMax ||
        !numbers.insert(one.number).second)
      return fail(ErrorCode::invalid_argument,
                  "an inherited descriptor needs a number of its own from 3 to {}",
                  kDescriptorNumberMax);
  return {};
}

}  // namespace

Status validate(SandboxSpec const& spec) {
  if (!is_slug(spec.id))
    return fail(ErrorCode::invalid_argument, "\"{}\" is not a sandbox id", printable(spec.id));
  if (spec.argv.empty()) return fail(ErrorCode::invalid_argument, "a sandbox needs a program");
  DROVER_TRY(require_path("program", spec.argv[0]));
  if (spec.cwd != "/") DROVER_TRY(require_path("working directory", spec.cwd));
  if (spec.session_uid == 0)
    return fail(ErrorCode::invalid_argument, "a sandbox never runs as root; give it a session uid");
  if (spec.hostname.empty() || spec.hostname.size() > 63)
    return fail(ErrorCode::invalid_argument, "a host name has 1 to 63 characters");
  DROVER_TRY(validate_strings(spec));
  DROVER_TRY(validate_mounts(spec));
  return validate_descriptors(spec);
}

}  // namespace drover::sandbox
