#pragma once
// A run whose process threw goes on without that entry, as the format has it: the old journal stays
// beside the new one. What an effect gave the process may be mended with it. Blocking.
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

struct ResultPatch {
  std::string effect_id;
  std::string path;  // members and numbers of items, with dots: "report.issues.0"; empty: all of it
  json::value value;
};
// Of "EFFECT:PATH=JSON".
[[nodiscard]] Result<ResultPatch> parse_patch(std::string_view text);
// Pure. not_found: the path leads nowhere; its last member may be new.
[[nodiscard]] Status patch_value(json::value& value, std::string_view path,
                                 json::value const& with);

struct Recovered {
  json::value error;  // what the process threw
  std::string
      backup{};  // a folder; empty: an entry says that it goes on, for there were later ones
};
// conflict: its process threw nothing; the effect has no result that could be mended.
[[nodiscard]] Result<Recovered> recover_error(RunFolder const& run,
                                              std::optional<ResultPatch> const& patch,
                                              Clock const& clock, Random& random);

}  // namespace drover::workflow
