#include "driver/program_path.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/text.h"
#include "os/files.h"

namespace drover::driver {

namespace {

std::string searched(std::string const& name) {
  char const* const path = std::getenv("PATH");
  for (auto const folder : split(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    std::string const candidate = std::string{folder} + "/" + name;
    if (folder.starts_with('/') && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

}  // namespace

Result<ProgramPath> find_program(std::string const& name) {
  std::string const found = name.find('/') == std::string::npos ? searched(name) : name;
  auto real = found.empty() ? Result<std::string>{fail(ErrorCode::not_found, "not in PATH")}
                            : os::real_path(found);
  if (!real)
    return fail_next(ErrorCode::unsupported,
                     fmt::format("there is no program {}", printable(name, 200)),
                     "install Node 18 or newer, or name it in DROVER_NODE");
  ProgramPath program{*std::move(real), {}};
  if (program.path.starts_with("/usr/")) return program;
  // Beside its bin/ lies what it was installed with.
  auto folder = std::filesystem::path{program.path}.parent_path();
  if (folder.filename() == "bin") folder = folder.parent_path();
  if (folder == "/" || folder.empty()) folder = std::filesystem::path{program.path}.parent_path();
  program.needs.push_back(folder.string());
  return program;
}

}  // namespace drover::driver
