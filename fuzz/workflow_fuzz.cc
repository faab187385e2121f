// Files of a run directory, which any tool may have written: no crash, and what is read as an entry
// is written and read back as the same; a repaired journal always holds together.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "workflow/event.h"
#include "workflow/history.h"
#include "workflow/repair.h"
#include "workflow/run_record.h"

namespace workflow = drover::workflow;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  if (auto value = drover::parse_json(text)) (void)workflow::parse_run_record(*std::move(value));
  std::vector<workflow::FoundEntry> entries;
  std::uint64_t seq = 0;
  // Entries that a NUL parts, numbered as they come.
  for (auto const part : drover::split(text, '\0')) {
    ++seq;
    workflow::EventName name{seq, std::string(1, 'A') + std::to_string(1000 + seq)};
    auto const event = workflow::parse_event(name, part);
    if (!event) {
      if (event.error().message.empty()) std::abort();
      entries.push_back({workflow::file_name(name), std::nullopt, event.error().message});
      continue;
    }
    auto const printed = workflow::print_event(*event, workflow::Writer::current);
    auto const again = workflow::parse_event(name, printed);
    if (!again || again->data != event->data || again->type != event->type) std::abort();
    entries.push_back({workflow::file_name(name), *event, ""});
  }
  drover::SeededRandom random{size};
  auto const plan = workflow::plan_repair(std::move(entries), {}, drover::WallTime{}, random);
  if (!workflow::History::of(plan.events)) std::abort();
  (void)workflow::parse_file_name(text);
  return 0;
}
