#include "workflow/create_run.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/digest.h"
#include "base/text.h"
#include "os/files.h"
#include "os/new_file.h"
#include "workflow/js_text.h"
#include "workflow/ulid.h"

namespace drover::workflow {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGitIgnore = "state/\ntasks/*/artifacts/\nblobs/\norphaned/\n";
constexpr std::size_t kCodeMax = std::size_t{64} << 20U;

Entrypoint relative_to(std::string const& folder, Entrypoint entry) {
  if (entry.is_native()) return entry;
  entry.import_path = fs::path{entry.import_path}.lexically_relative(folder).string();
  return entry;
}

void put_unless_empty(json::object& into, std::string_view key, std::string const& text) {
  if (!text.empty()) into.emplace(key, text);
}

json::object record_of(NewRun const& wanted, Entrypoint const& entry, std::string const& hash,
                       std::string_view created_at, Random& random) {
  json::object record;
  record.emplace("runId", wanted.run_id);
  record.emplace("request", wanted.request);
  record.emplace("processId", wanted.process_id);
  put_unless_empty(record, "harness", wanted.harness);
  record.emplace("entrypoint", entry.object());
  record.emplace("processPath", entry.import_path);
  put_unless_empty(record, "processRevision", wanted.process_revision);
  record.emplace("layoutVersion", kLayoutVersion);
  record.emplace("createdAt", created_at);
  put_unless_empty(record, "cwd", wanted.cwd);
  put_unless_empty(record, "prompt", wanted.prompt);
  if (wanted.non_interactive) record.emplace("nonInteractive", true);
  put_unless_empty(record, "processCodeHash", hash);
  record.emplace("completionProof", new_completion_proof(random));
  record.emplace("sdkVersion", kFormatVersion);
  return record;
}

json::object created_data(NewRun const& wanted, RunRecord const& record) {
  json::object data;
  data.emplace("runId", record.run_id);
  data.emplace("processId", record.process_id);
  data.emplace("entrypoint", record.entrypoint.object());
  put_unless_empty(data, "processRevision", wanted.process_revision);
  put_unless_empty(data, "processCodeHash", record.code_hash);
  if (wanted.inputs) data.emplace("inputsRef", "inputs.json");
  put_unless_empty(data, "prompt", wanted.prompt);
  return data;
}

Status fill(RunFolder const& folder, NewRun const& wanted, RunRecord const& record,
            Clock const& clock, Random& random) {
  for (auto const* const part : {"journal", "tasks", "state", "blobs", "orphaned", "process"})
    DROVER_TRY(os::make_folders(folder.at(part)));
  DROVER_TRY(folder.write_text(".gitignore", kGitIgnore));
  if (wanted.inputs) DROVER_TRY(folder.write_json("inputs.json", *wanted.inputs));
  DROVER_TRY(folder.write_json("run.json", record.raw));
  JournalWriter journal{folder, {}, Writer::current, record.harness, clock, random};
  auto const created =
      journal.append(NewEvent{event_type::kRunCreated, created_data(wanted, record)});
  if (!created) return std::unexpected(created.error());
  return os::sync_folder(folder.path());
}

// A package.json above the runs makes Node read processes beside them as modules.
Status make_module_scope(std::string const& runs_root) {
  std::string const file = (fs::path{runs_root}.parent_path() / "package.json").string();
  if (os::exists(file)) return {};
  auto const written = os::create_whole_file(file, file_text(json::object{{"type", "module"}}));
  if (!written && written.error().code != ErrorCode::conflict) return written;
  return {};
}

Result<CreatedRun> existing(RunFolder folder, NewRun const& wanted, Entrypoint const& entry) {
  auto record = read_run_record(folder);
  if (!record) return std::unexpected(record.error());
  auto const inputs = folder.read_json(folder.at("inputs.json"));
  if (!inputs) return std::unexpected(inputs.error());
  bool const same = record->process_id == wanted.process_id &&
                    record->entrypoint.import_path == entry.import_path &&
                    record->entrypoint.export_name == entry.export_name && *inputs == wanted.inputs;
  if (!same)
    return fail_next(ErrorCode::conflict,
                     fmt::format("run {} exists, with another process or other inputs",
                                 printable(wanted.run_id)),
                     "give the new run another id, or none");
  return CreatedRun{std::move(folder), *std::move(record), true};
}

// A folder of its own beside the run's, which it becomes when all is in it.
Result<CreatedRun> create_beside(NewRun const& wanted, Entrypoint const& entry,
                                 RunFolder const& folder, Clock const& clock, Random& random) {
  std::string hash;
  if (wanted.entry) {
    auto const computed = code_hash(folder, entry);
    if (!computed) return std::unexpected(computed.error());
    hash = *computed;
  }
  auto record = parse_run_record(record_of(wanted, entry, hash, to_rfc3339(clock.now()), random));
  if (!record) return std::unexpected(record.error());
  RunFolder const unborn{
      fmt::format("{}/.new-{}", wanted.runs_root, next_ulid(clock.now(), random, ""))};
  auto filled = fill(unborn, wanted, *record, clock, random);
  std::error_code error;
  if (filled) fs::rename(unborn.path(), folder.path(), error);
  if (!filled || error) {
    if (auto removed = os::remove_tree(unborn.path()); !removed && filled)
      return std::unexpected(removed.error());
    if (!filled) return std::unexpected(filled.error());
    // Somebody else was first.
    if (error == std::errc::directory_not_empty || error == std::errc::file_exists)
      return existing(folder, wanted, entry);
    return std::unexpected(system_error(error.value(), "create the run", folder.path()));
  }
  DROVER_TRY(os::sync_folder(wanted.runs_root));
  return CreatedRun{folder, *std::move(record), false};
}

}  // namespace

std::string entry_file(RunFolder const& run, Entrypoint const& entry) {
  if (entry.is_native()) return entry.import_path;
  fs::path const path{entry.import_path};
  if (path.is_absolute()) return path.string();
  return (fs::path{run.path()} / path).lexically_normal().string();
}

Result<std::string> code_hash(RunFolder const& run, Entrypoint const& entry) {
  if (entry.is_native()) return "";
  auto const text = os::read_file(entry_file(run, entry), kCodeMax);
  if (!text) return std::unexpected(text.error());
  return sha256_hex(*text);
}

Result<CreatedRun> create_run(NewRun const& asked, Clock const& clock, Random& random) {
  NewRun wanted = asked;
  if (wanted.run_id.empty()) wanted.run_id = next_ulid(clock.now(), random, "");
  if (!is_plain_name(wanted.run_id))
    return fail(ErrorCode::invalid_argument,
                "a run's id is letters, digits, '.', '_' and '-', and '{}' is none",
                printable(wanted.run_id));
  Entrypoint entry{std::string{kBareProcess}, ""};
  RunFolder const folder{fmt::format("{}/{}", wanted.runs_root, wanted.run_id)};
  if (wanted.entry) entry = relative_to(folder.path(), *wanted.entry);
  if (wanted.process_id.empty()) {
    if (wanted.entry)
      return fail(ErrorCode::invalid_argument, "a run with an entry needs a process id");
    wanted.process_id = kBareProcess;
  }
  if (wanted.request.empty()) wanted.request = wanted.entry ? wanted.process_id : wanted.run_id;
  DROVER_TRY(os::make_folders(wanted.runs_root));
  DROVER_TRY(make_module_scope(wanted.runs_root));
  if (os::exists(folder.at("run.json"))) return existing(folder, wanted, entry);
  return create_beside(wanted, entry, folder, clock, random);
}

Result<Assigned> assign_process(OpenRun& run, Assignment const& wanted) {
  RunRecord record = run.record();
  if (!record.is_bare() && !wanted.force)
    return fail_next(
        ErrorCode::conflict,
        fmt::format("the run has a process already: {}", printable(record.entrypoint.text())),
        "--force puts another in its place");
  auto const hash = code_hash(run.folder(), wanted.entry);
  if (!hash) return std::unexpected(hash.error());
  Assigned assigned{record.entrypoint, record.process_id};
  if (!wanted.process_id.empty()) assigned.process_id = wanted.process_id;

  json::object data;
  data.emplace("processId", assigned.process_id);
  data.emplace("entrypoint", wanted.entry.object());
  data.emplace("previousEntrypoint", assigned.previous.object());
  data.emplace("force", wanted.force);
  data.emplace("processCodeHash", *hash);
  // The journal first: run.json alone would change the process of a run without a trace. It is
  // also what iterate goes by, so that a crash in between is made good there.
  DROVER_TRY(run.append(NewEvent{event_type::kProcessAssigned, std::move(data)}));
  record.raw["processId"] = assigned.process_id;
  record.raw["entrypoint"] = wanted.entry.object();
  record.raw["processPath"] = wanted.entry.import_path;
  if (!wanted.process_revision.empty()) record.raw["processRevision"] = wanted.process_revision;
  record.raw["processCodeHash"] = *hash;
  record.process_id = assigned.process_id;
  record.entrypoint = wanted.entry;
  record.code_hash = *hash;
  DROVER_TRY(run.save_record(std::move(record)));
  return assigned;
}

}  // namespace drover::workflow
