#pragma once
// What a workload of the API runs: named in the file profiles.toml or profiles.json of the state
// folder, by whoever runs the server. A caller names one and adds to its environment; which image,
// program, folders and limits there are is never the caller's to say. Plain values; pure.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"

namespace drover::runtime {

// A workspace at a place inside, read-only: what may be written is written by runs, which are
// governed.
struct ProfileMount {
  WorkspaceId workspace{};
  std::string path{};
};

struct Profile {
  std::string name{};
  std::string backend{};  // empty: the server's default
  std::string image{};
  std::vector<std::string> command{};  // empty, with an image: the image's own
  std::string cwd = "/";
  std::map<std::string, std::string> env{};
  std::vector<ProfileMount> mounts{};
  double cpu = 0;  // cores; 0: what the backend gives
  std::int64_t memory_mb = 0;
  std::int64_t pids = 0;
  Millis idle{0};  // of workloads that ask for less or for none; 0: none
  Millis lifetime{0};
};

// `name`'s ending says whether the text is TOML or JSON. invalid_argument names the profile and the
// member.
[[nodiscard]] Result<std::map<std::string, Profile>> parse_profiles(std::string_view name,
                                                                    std::string_view text);
// One profile as it is stored with a workload, which keeps its terms whatever the file says later.
[[nodiscard]] json::object to_json(Profile const& profile);
[[nodiscard]] Result<Profile> parse_profile(std::string const& name, json::value const& value);

}  // namespace drover::runtime
