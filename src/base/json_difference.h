#pragma once
// What differs between two JSON documents, member by member. Pure.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace drover {

struct JsonDifference {
  std::string member;                 // its JSON pointer
  std::optional<json::value> before;  // nullopt: it was not there
  std::optional<json::value> after;   // nullopt: it is not there any more
  friend bool operator==(JsonDifference const&, JsonDifference const&) = default;
};

// Objects that are on both sides are gone into; everything else differs as a whole, lists too. In
// the order of `before`, then what is new in the order of `after`. At the root nullptr is an object
// without members.
[[nodiscard]] std::vector<JsonDifference> json_differences(json::value const* before,
                                                           json::value const* after);

// As documents have them: [{"member":"/model","before":"a","after":"b"}]; a side that was not there
// has no member.
[[nodiscard]] json::array to_json(std::vector<JsonDifference> const& differences);
[[nodiscard]] Result<std::vector<JsonDifference>> parse_differences(json::value const& value);

}  // namespace drover
