#pragma once
// Changes of single members of a definition: --set limits.max_turns=20, --unset image. Pure.
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/command_line.h"

namespace drover::cli {

struct MemberSet {
  std::string member;  // "limits.max_turns", "env.TEAM"
  std::string value;   // JSON where it is some, else a text
};

// `text` is MEMBER=VALUE.
[[nodiscard]] Result<MemberSet> parse_member_set(std::string const& text);

// `spec` with the members changed, checked and in its one form. A value that reads as JSON but
// whose member takes a text is that text: --set env.N=1. invalid_argument with what does not fit,
// and for a member to be taken away that is not there.
[[nodiscard]] Result<json::object> edit_members(Definition kind, json::object spec,
                                                std::vector<MemberSet> const& sets,
                                                std::vector<std::string> const& unsets);

}  // namespace drover::cli
