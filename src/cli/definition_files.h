#pragma once
// Definitions of files and folders: TOML and JSON, one in a file or many. Reads, and sends nothing.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cli/definition_plan.h"

namespace drover::cli {

inline constexpr std::size_t kDefinitionsReadMax = 1000;  // as many as a server keeps

struct ReadDefinitions {
  std::vector<WantedDefinition> wanted;
  std::vector<Error> mistakes;  // each names its place
};

// What `text` holds, by the ending of `name`: a definition; a table of them ([[agent]]); in JSON
// also a list of them. `name` is the place of mistakes too.
void read_definitions(Definition kind, std::string_view name, std::string_view text,
                      ReadDefinitions& into);

// The same of files, of the files of folders (not of those below them), and of stdin, which is
// "-" and JSON. A path that cannot be read, or that holds none, is a mistake.
[[nodiscard]] ReadDefinitions read_definition_paths(Definition kind,
                                                    std::vector<std::string> const& paths);

}  // namespace drover::cli
