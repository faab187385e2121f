#pragma once
// The command lines of the babysitter SDK: `run:create`, `task:post`, …, whose options may stand
// anywhere and whose unknown ones are passed over. Pure.
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover::cli {

struct SdkWords {
  std::string name;                            // "run:create"
  std::vector<std::string> positional;         // what is no option
  std::map<std::string, std::string> options;  // "--entry" to its value
  std::set<std::string> flags;                 // "--json"

  [[nodiscard]] std::string option(std::string const& key) const;
  [[nodiscard]] bool flag(std::string const& key) const { return flags.contains(key); }
  [[nodiscard]] std::string argument(std::size_t at) const;
};

// Whether it is one of the SDK's commands that drover has.
[[nodiscard]] bool is_sdk_command(std::string_view word);
// invalid_argument: an option without its value.
[[nodiscard]] Result<SdkWords> parse_sdk_words(std::span<std::string const> words);

}  // namespace drover::cli
