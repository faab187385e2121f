#pragma once
// Ids of sandboxes that are of one process and end with it. They name that process, so that what it
// left in the control groups when it was killed can be told from what is still somebody's.
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace drover::sandbox {

// A number is a process only within its pid namespace, and a host's control groups may be those of
// several: containers that share them, say.
struct PassingOwner {
  pid_t pid = 0;
  ino_t pid_namespace = 0;
  bool operator==(PassingOwner const&) const = default;
};
// Of this process.
[[nodiscard]] PassingOwner passing_owner();

// `kind`, as "probe-", and its owner: "probe-12-4026531836".
[[nodiscard]] std::string passing_id(std::string_view kind, PassingOwner const& owner);
// Whose an id of this kind is, whatever stands behind; nullopt: it is none.
[[nodiscard]] std::optional<PassingOwner> owner_of(std::string_view id, std::string_view kind);

}  // namespace drover::sandbox
