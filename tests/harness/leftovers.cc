#include "harness/leftovers.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>

#include "base/text.h"
#include "harness/processes.h"
#include "os/files.h"

namespace drover::harness {

namespace fs = std::filesystem;

namespace {

constexpr int kCgroupDepth = 4;
constexpr std::size_t kMountPlace = 4;  // field of a line of mountinfo

std::vector<std::string> names_in(std::string const& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (auto const& entry : fs::directory_iterator(folder, error))
    names.push_back(entry.path().filename().string());
  return names;
}

// "36 35 98:0 /root /place options …"
std::vector<std::string> mounts_below(std::string const& root) {
  std::vector<std::string> places;
  auto const table = os::read_file("/proc/self/mountinfo");
  for (std::string_view const line : split(table.value_or(""), '\n')) {
    auto const fields = split(line, ' ');
    if (line.contains(root) && fields.size() > kMountPlace)
      places.emplace_back(fields[kMountPlace]);
  }
  return places;
}

}  // namespace

std::vector<std::string> cgroups_of(std::string const& state_folder) {
  auto const sessions = names_in(state_folder + "/sessions");
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator walk{"/sys/fs/cgroup",
                                        fs::directory_options::skip_permission_denied, error};
  for (; !error && walk != fs::recursive_directory_iterator{}; walk.increment(error)) {
    if (walk.depth() >= kCgroupDepth) walk.disable_recursion_pending();
    std::string const name = walk->path().filename().string();
    if (!name.starts_with("drover-")) continue;
    for (std::string const& session : sessions)
      if (name.contains(session)) found.push_back(walk->path().string());
  }
  return found;
}

std::vector<std::string> leftovers_of(std::string const& root, std::string const& state_folder) {
  std::vector<std::string> left;
  for (ProcessLine const& line : processes_below(::getpid()))
    left.push_back(fmt::format("process {}: {}", line.pid, line.command));
  for (std::string const& path : cgroups_of(state_folder))
    left.push_back("cgroup " + path);
  for (std::string const& place : mounts_below(root))
    left.push_back("mount " + place);
  for (std::string_view const folder : {"/units", "/workloads"})
    for (std::string const& name : names_in(state_folder + std::string{folder}))
      left.push_back(fmt::format("{}/{}", folder, name));
  std::error_code error;
  fs::recursive_directory_iterator walk{root, error};
  for (; !error && walk != fs::recursive_directory_iterator{}; walk.increment(error))
    if (walk->symlink_status().type() == fs::file_type::socket)
      left.push_back("socket " + walk->path().string());
  return left;
}

}  // namespace drover::harness
