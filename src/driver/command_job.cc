#include "driver/command_job.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <filesystem>

#include "base/digest.h"
#include "base/text.h"
#include "driver/command_results.h"
#include "driver/command_run.h"
#include "driver/command_sandbox.h"
#include "driver/program_path.h"
#include "os/files.h"
#include "runtime/record.h"
#include "workflow/js_text.h"

namespace drover::driver {

namespace {

constexpr std::size_t kOutputFileMax = std::size_t{16} << 20U;
// Beside those of the units of a server.
constexpr uid_t kUidFirst = 270'000;
constexpr uid_t kUidCount = 32'768;

// Of this effect in this directory, so that two drivers of two runs never share one.
std::string sandbox_id(CommandJob const& job) {
  constexpr std::size_t kDigits = 20;
  return "wf-" + sha256_hex(job.run.path() + "\n" + job.effect.id).substr(0, kDigits);
}

runtime::RecordFolder records_of(workflow::RunFolder const& run) {
  return runtime::RecordFolder{run.at("state/sandboxes")};
}

std::string exchange_of(CommandJob const& job) {
  return job.run.task(job.effect.id) + "/exchange";
}

Status make_exchange(CommandJob const& job) {
  std::string const folder = exchange_of(job);
  DROVER_TRY(os::remove_tree(folder));
  DROVER_TRY(os::make_folders(folder, 0755));
  auto const inputs = read_inputs(job.run, job.effect);
  if (!inputs) return std::unexpected(inputs.error());
  return os::write_file_atomic(folder + "/inputs.json",
                               workflow::file_text(inputs->value_or(nullptr)));
}

Result<CommandPlace> place_of(CommandTools const& tools, CommandJob const& job) {
  CommandPlace place;
  place.id = sandbox_id(job);
  place.run_id = job.record.run_id;
  place.effect_id = job.effect.id;
  // Runs of version 0 do not say where they were made.
  auto folder = os::real_path(std::string{string_or(job.record.raw, "cwd", "")});
  if (folder) place.folder = *std::move(folder);
  if (auto git = os::real_path(place.folder + "/.git"); !place.folder.empty() && git)
    place.git = *std::move(git);
  auto run = os::real_path(job.run.path());
  if (!run) return std::unexpected(run.error());
  place.run_folder = *std::move(run);
  place.runs_root = std::filesystem::path{place.run_folder}.parent_path().string();
  auto exchange = os::real_path(exchange_of(job));
  if (!exchange) return std::unexpected(exchange.error());
  place.exchange = *std::move(exchange);
  if (job.work.kind != CommandWork::Kind::node) return place;
  auto node = find_program(tools.node);
  if (!node) return std::unexpected(node.error());
  place.node = node->path;
  place.extra_ro_paths = std::move(node->needs);
  return place;
}

// The program may have put anything there, also a link to a file of the host's.
Result<std::optional<std::string>> read_output(CommandJob const& job) {
  auto const folder = os::open_folder(exchange_of(job));
  if (!folder) return std::unexpected(folder.error());
  auto const file = os::open_regular_beneath(folder->get(), "output.json");
  if (!file && file.error().code == ErrorCode::not_found) return std::nullopt;
  if (!file) return std::unexpected(file.error());
  auto text = os::read_all(file->get(), "output.json", kOutputFileMax);
  if (!text) return std::unexpected(text.error());
  return *std::move(text);
}

Result<std::optional<workflow::TaskResult>> try_to_carry_out(CommandTools const& tools,
                                                             CommandJob const& job, int stop_fd) {
  DROVER_TRY(make_exchange(job));
  auto const place = place_of(tools, job);
  if (!place) return std::unexpected(place.error());
  auto spec = command_spec(job.work, *place);
  if (!spec) return std::unexpected(spec.error());
  spec->session_uid =
      kUidFirst + static_cast<uid_t>(std::hash<std::string>{}(spec->id) % kUidCount);
  auto const records = records_of(job.run);
  DROVER_TRY(os::make_folders(job.run.at("state/sandboxes")));
  auto const boot = os::boot_id();
  if (!boot) return std::unexpected(boot.error());
  WorkloadId const id = WorkloadId::trusted(spec->id);
  auto const created = [&](sandbox::SandboxTrace const& trace) {
    runtime::Record record;
    record.id = id;
    record.boot = *boot;
    record.trace = trace;
    return records.save(record);
  };
  auto const end =
      run_command(tools.launcher, *std::move(spec), job.work.timeout, stop_fd, created);
  DROVER_TRY(records.remove(id));
  if (!end) return std::unexpected(end.error());
  if (end->how == CommandHow::stopped) return std::nullopt;
  auto const output = read_output(job);
  if (!output) return std::unexpected(output.error());
  return command_result(job.work, *end, *output);
}

}  // namespace

CommandStep decide_command(workflow::NextAction const& action) {
  CommandStep step;
  workflow::Effect const& effect = action.effect;
  if (effect.status != workflow::EffectStatus::requested ||
      !names_a_command(effect.kind, action.definition))
    return step;
  auto work = parse_command_work(effect.kind, action.definition);
  step.act = CommandStep::Act::settle;
  if (!work) {
    step.result = thrown_result(kDefinitionName, work.error().message);
    return step;
  }
  step.work = *std::move(work);
  if (effect.begun > 0 && step.work.lost == CommandWork::Lost::fails) {
    step.result = lost_result();
    return step;
  }
  step.act = CommandStep::Act::begin;
  return step;
}

std::optional<workflow::TaskResult> carry_out(CommandTools const& tools, CommandJob const& job,
                                              int stop_fd, Clock const& clock) {
  std::string const started_at = to_rfc3339(clock.now());
  auto result = try_to_carry_out(tools, job, stop_fd);
  std::optional<workflow::TaskResult> settled =
      result ? *std::move(result) : thrown_result(kStartName, result.error().text());
  if (settled) {
    settled->started_at = started_at;
    settled->finished_at = to_rfc3339(clock.now());
  }
  // What cannot be removed now is removed before the effect is begun again; it harms nobody.
  static_cast<void>(os::remove_tree(exchange_of(job)));
  return settled;
}

Status reap_commands(workflow::RunFolder const& run) {
  if (!os::exists(run.at("state/sandboxes"))) return {};
  auto const records = records_of(run);
  DROVER_TRY(records.remove_unfinished());
  auto const loaded = records.load();
  if (!loaded) return std::unexpected(loaded.error());
  auto const boot = os::boot_id();
  if (!boot) return std::unexpected(boot.error());
  for (auto const& record : loaded->records) {
    if (record.boot == *boot) DROVER_TRY(sandbox::Launcher::reap_orphan(record.trace));
    DROVER_TRY(records.remove(record.id));
  }
  return {};
}

}  // namespace drover::driver
