#include "workflow/repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "os/files.h"
#include "workflow/journal_swap.h"
#include "workflow/run_lock.h"

namespace drover::workflow {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFileMax = std::size_t{64} << 20U;

std::vector<std::string> names_in(std::string const& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator files{folder, error}; !error && files != fs::directory_iterator{};
       files.increment(error))
    names.push_back(files->path().filename().string());
  std::ranges::sort(names);
  return names;
}

FoundEntry read_entry(std::string const& folder, std::string const& file) {
  auto name = parse_file_name(file);
  if (!name) return {file, std::nullopt, "its name is none of an entry"};
  auto const text = os::read_file(fmt::format("{}/{}", folder, file), kFileMax);
  if (!text) return {file, std::nullopt, text.error().message};
  auto event = parse_event(*std::move(name), *text);
  if (!event) return {file, std::nullopt, event.error().message};
  return {file, *std::move(event), ""};
}

json::value read_or_null(RunFolder const& run, std::string const& path) {
  auto value = run.read_json(path);
  return value && *value ? **std::move(value) : json::value{};
}

Result<RepairPlan> plan_of(RunFolder const& run, Clock const& clock, Random& random) {
  if (auto const record = read_run_record(run); !record) return std::unexpected(record.error());
  auto evidence = gather_evidence(run);
  if (!evidence) return std::unexpected(evidence.error());
  return plan_repair(std::move(evidence->entries), evidence->tasks, clock.now(), random);
}

}  // namespace

Result<Evidence> gather_evidence(RunFolder const& run) {
  Evidence evidence;
  for (auto const& file : names_in(run.journal()))
    if (file.ends_with(".json")) evidence.entries.push_back(read_entry(run.journal(), file));
  for (auto const& effect_id : names_in(run.at("tasks"))) {
    if (!is_plain_name(effect_id)) continue;
    FoundTask task;
    task.effect_id = effect_id;
    task.task = read_or_null(run, run.task(effect_id) + "/task.json");
    task.result = read_or_null(run, run.task(effect_id) + "/result.json");
    evidence.tasks.push_back(std::move(task));
  }
  return evidence;
}

Result<RepairPlan> inspect_journal(RunFolder const& run, Clock const& clock, Random& random) {
  return plan_of(run, clock, random);
}

Result<Repaired> repair_journal(RunFolder const& run, Clock const& clock, Random& random) {
  auto const record = read_run_record(run);
  if (!record) return std::unexpected(record.error());
  auto const lock = RunLock::acquire(run, "run:repair-journal", clock);
  if (!lock) return std::unexpected(lock.error());
  auto plan = plan_of(run, clock, random);
  if (!plan) return std::unexpected(plan.error());
  Repaired repaired{*std::move(plan), ""};
  if (!repaired.plan.changes()) return repaired;
  std::string const backup = fmt::format("journal.bak.{}", to_unix_ms(clock.now()));
  repaired.backup = run.at(backup);
  DROVER_TRY(replace_journal(run, repaired.plan.events, record->writer, backup));
  return repaired;
}

}  // namespace drover::workflow
