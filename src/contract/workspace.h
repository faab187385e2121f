#pragma once
// workspace.v1: how a workspace is mounted, what its knowledge files look like, and its rules.
// Plain values.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"

namespace drover::contract {

enum class MountRole : std::uint8_t { private_, shared, global, system };

struct Mount {
  WorkspaceId slug;
  std::string path;  // inside the unit
  MountRole role = MountRole::private_;
  bool write = false;
  bool primary = false;
  std::optional<std::string> purpose;
  std::optional<std::string> ref;
};

// Head of kg/entities/<type>/<slug>.md. Keys beyond these are kept in `json`.
struct FrontMatter {
  std::string type;
  std::string id;
  std::string title;
  json::value json;  // all of it
};

enum class RuleMode : std::uint8_t { off, warn, revert, reject };

struct ForbiddenContent {
  std::string name;     // "secrets" is the built-in set
  std::string pattern;  // empty for a built-in set
};

struct Rules {
  RuleMode mode = RuleMode::off;
  std::vector<std::string> protected_paths;  // globs
  std::optional<std::int64_t> files_max;
  std::optional<std::int64_t> bytes_max;
  std::optional<std::int64_t> file_bytes_max;
  std::vector<ForbiddenContent> forbidden_content;
  std::map<std::string, json::value> entities;  // entity type → JSON Schema of its front matter
};

[[nodiscard]] Result<Mount> parse_mount(std::string_view text);
[[nodiscard]] Result<FrontMatter> parse_front_matter(json::value value);
[[nodiscard]] Result<Rules> parse_rules(std::string_view text);
[[nodiscard]] json::value to_json(Mount const& mount);
[[nodiscard]] json::value to_json(Rules const& rules);

// The working directory: the primary mount, else the first that can be written, else the first.
// nullptr only when there is none.
[[nodiscard]] Mount const* working_mount(std::vector<Mount> const& mounts);

[[nodiscard]] std::string_view to_string(MountRole role);
[[nodiscard]] std::string_view to_string(RuleMode mode);

}  // namespace drover::contract
