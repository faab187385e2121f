// Files of agents and task types, as an operator applies them: no crash, a sentence with its place
// for whatever is refused, and what is accepted must be the same after it was shown as TOML to be
// edited. The first byte chooses the kind and the file's ending.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/config_text.h"
#include "cli/definition_files.h"
#include "cli/toml_view.h"

namespace cli = drover::cli;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  auto const kind = (data[0] & 1U) == 0 ? cli::Definition::agent : cli::Definition::task_type;
  static constexpr std::string_view kNames[] = {"f.toml", "f.json", "f.yaml"};
  std::string_view const text{reinterpret_cast<char const*>(data) + 1, size - 1};
  cli::ReadDefinitions read;
  cli::read_definitions(kind, kNames[(data[0] >> 1U) % 3], text, read);
  for (drover::Error const& mistake : read.mistakes)
    if (!mistake.message.starts_with("f.")) std::abort();
  for (cli::WantedDefinition const& one : read.wanted) {
    if (one.name.empty() || !one.place.starts_with("f.")) std::abort();
    auto const toml = cli::render_toml(one.spec);
    if (!toml) continue;  // a payload's schema may hold a null
    auto const again = drover::parse_config("f.toml", *toml);
    if (!again) std::abort();
    auto const same = cli::checked_definition(kind, *again);
    if (!same || *same != one.spec) std::abort();
  }
  return 0;
}
