#include "workflow/process_log.h"

#include <fcntl.h>

#include "base/text.h"
#include "os/files.h"
#include "workflow/js_text.h"

namespace drover::workflow {

namespace {

Status append_to(std::string const& path, std::string_view text) {
  os::Fd const fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
  if (!fd.valid()) return fail_errno("open", path);
  return os::write_all(fd.get(), text, path);
}

}  // namespace

void ProcessLog::read_written(RunFolder const& run) {
  read_ = true;
  auto const text = os::read_file(run.at("state/logSeqs.txt"));
  // Without the file, or with one that cannot be read, lines are written once more.
  if (!text) return;
  for (auto const line : split(*text, '\n'))
    written_.emplace(trim(line));
}

Status ProcessLog::add(RunFolder const& run, json::array const& entries, std::string_view now) {
  if (entries.empty()) return {};
  if (!read_) read_written(run);
  std::string lines;
  std::string numbers;
  for (auto const& each : entries) {
    if (!each.is_object()) continue;
    auto const& entry = each.get_object();
    auto const seq = std::to_string(integer_or(entry, "seq", 0));
    if (!written_.insert(seq).second) continue;
    json::object line{{"time", now}};
    if (auto const* const label = entry.if_contains("label")) line.emplace("label", *label);
    line.emplace("message", string_or(entry, "message", ""));
    lines += compact_text(line) + "\n";
    numbers += seq + "\n";
  }
  if (lines.empty()) return {};
  DROVER_TRY(os::make_folders(run.at("state")));
  DROVER_TRY(append_to(run.at("state/process.log"), lines));
  return append_to(run.at("state/logSeqs.txt"), numbers);
}

}  // namespace drover::workflow
