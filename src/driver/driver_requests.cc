// The half of driver.h that others ask for: runs that are made, and what is done to them.
#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "base/text.h"
#include "driver/driver.h"
#include "driver/driver_run.h"
#include "workflow/create_run.h"
#include "workflow/heartbeat.h"
#include "workflow/iterate.h"

namespace drover::driver {

namespace {

namespace fs = std::filesystem;

// Of the directory; blocking.
Result<workflow::CreatedRun> make_directory(NewWorkflow const& wanted, DriverOptions const& options,
                                            EntryChecks& checks, Clock const& clock,
                                            Random& random) {
  auto entry = workflow::parse_entrypoint(wanted.entry);
  if (!entry) return std::unexpected(entry.error());
  if (!fs::path{entry->import_path}.is_absolute())
    return fail(ErrorCode::invalid_argument, "/entry: expected an absolute path, found '{}'",
                printable(wanted.entry, 200));
  DROVER_TRY(checks.check(*entry, options.host));
  workflow::NewRun run;
  run.runs_root = options.runs_root;
  run.run_id = wanted.id;
  run.process_id = wanted.process_id;
  if (run.process_id.empty()) run.process_id = fs::path{entry->import_path}.stem().string();
  run.cwd = wanted.cwd.empty() ? fs::path{entry->import_path}.parent_path().string() : wanted.cwd;
  run.entry = *std::move(entry);
  run.inputs = wanted.inputs;
  return create_run(run, clock, random);
}

Error not_driven(std::string const& id) {
  return {ErrorCode::conflict, fmt::format("the workflow {} has ended", printable(id)),
          "see: drover workflow status " + printable(id)};
}

}  // namespace

WorkflowRecord Driver::located(WorkflowRecord record) const {
  if (!record.folder.starts_with('/'))
    record.folder = fmt::format("{}/{}", options_.runs_root, record.folder);
  return record;
}

Task<Result<WorkflowRecord>> Driver::find(std::string id) {
  auto found = co_await parts_.readers.run(
      [id](store::Database& database) { return find_workflow(database, id); });
  if (!found) co_return found;
  co_return located(*std::move(found));
}

Task<Result<json::object>> Driver::read(std::string id, Reading reading) {
  auto const record = co_await find(std::move(id));
  if (!record) co_return std::unexpected(record.error());
  auto work = [folder = workflow::RunFolder{record->folder}, reading] { return reading(folder); };
  co_return co_await pool_.run(std::move(work));
}

Task<Result<Driver::Created>> Driver::enrol(WorkflowRecord record, Again again) {
  record.created_at = parts_.clock.now();
  record.updated_at = record.created_at;
  WorkflowRecord row = record;
  fs::path const folder = row.folder;
  if (folder.parent_path() == options_.runs_root) row.folder = folder.filename().string();
  auto const inserted = co_await parts_.writer.run(
      [row](store::Transaction& transaction) { return insert_workflow(transaction.db(), row); });
  if (inserted) {
    drive(record);
    Created created{std::move(record), false};
    co_return created;
  }
  if (inserted.error().code != ErrorCode::conflict) co_return std::unexpected(inserted.error());
  auto known = co_await find(record.id);
  if (!known) co_return std::unexpected(known.error());
  if (known->folder != record.folder)
    co_return fail(ErrorCode::conflict, "the workflow {} is another run, in {}", record.id,
                   known->folder);
  Created created{*std::move(known), true};
  if (again == Again::look && is_over(created.record.state) && !runs_.contains(record.id)) {
    created.record.state = WorkflowState::running;
    created.record.reason.clear();
    co_await save(created.record);
    drive(created.record);
  }
  co_return created;
}

Task<Result<Driver::Created>> Driver::create(NewWorkflow wanted) {
  if (stopping_) co_return fail(ErrorCode::unavailable, "the server stops");
  if (runs_.size() >= options_.active_max)
    co_return fail(ErrorCode::rate_limited, "there are {} workflows that have not ended",
                   options_.active_max);
  auto make = [this, wanted, checks = checks_] {
    return make_directory(wanted, options_, *checks, parts_.clock, parts_.random);
  };
  auto const made = co_await pool_.run(std::move(make));
  if (!made) co_return std::unexpected(made.error());
  WorkflowRecord record;
  record.id = made->record.run_id;
  record.folder = made->folder.path();
  record.process_id = made->record.process_id;
  record.agent = std::move(wanted.agent);
  record.parent = std::move(wanted.parent);
  record.parent_effect = std::move(wanted.parent_effect);
  co_return co_await enrol(std::move(record), Again::leave);
}

Task<Result<Driver::Created>> Driver::adopt(std::string folder, json::object agent) {
  if (stopping_) co_return fail(ErrorCode::unavailable, "the server stops");
  folder = fs::path{folder}.lexically_normal().string();
  while (folder.size() > 1 && folder.ends_with('/'))
    folder.pop_back();
  auto look = [folder] { return read_run_record(workflow::RunFolder{folder}); };
  auto const run = co_await pool_.run(std::move(look));
  if (!run) co_return std::unexpected(run.error());
  WorkflowRecord record;
  record.id = run->run_id;
  record.folder = std::move(folder);
  record.process_id = run->process_id;
  record.agent = std::move(agent);
  co_return co_await enrol(std::move(record), Again::look);
}

// Done by the run's next look, in the order of asking.
Task<Result<json::value>> Driver::act_on(std::string id, Act act) {
  auto const found = runs_.find(id);
  if (found == runs_.end()) {
    auto const known = co_await find(id);
    if (!known) co_return std::unexpected(known.error());
    co_return std::unexpected(not_driven(id));
  }
  RunPtr const run = found->second;
  auto request = std::make_shared<Request>();
  request->act = std::move(act);
  run->requests.push_back(request);
  wake(run);
  while (!request->reply) {
    if (stopping_) co_return fail(ErrorCode::unavailable, "the server stops");
    auto const seen = ended_.version();
    if (!request->reply) co_await ended_.wait(seen);
  }
  co_return *std::move(request->reply);
}

Task<Status> Driver::post(std::string id, std::string effect_id, workflow::TaskResult result) {
  Act act = [effect_id, result = std::move(result)](DrivenRun& run) -> Result<json::value> {
    auto const posted = run.post(effect_id, result);
    if (!posted) return std::unexpected(posted.error());
    return json::value{};
  };
  auto const done = co_await act_on(std::move(id), std::move(act));
  if (!done) co_return std::unexpected(done.error());
  co_return Status{};
}

Task<Status> Driver::cancel_effect(std::string id, std::string effect_id, std::string reason) {
  Act act = [effect_id, reason](DrivenRun& run) -> Result<json::value> {
    auto const cancelled = run.cancel(effect_id, reason);
    if (!cancelled) return std::unexpected(cancelled.error());
    return json::value{};
  };
  auto const done = co_await act_on(std::move(id), std::move(act));
  if (!done) co_return std::unexpected(done.error());
  co_return Status{};
}

Task<Status> Driver::signal(std::string id, std::string name, json::value payload) {
  Act act = [name, payload](DrivenRun& run) -> Result<json::value> {
    auto const sent = run.signal(name, payload);
    if (!sent) return std::unexpected(sent.error());
    return json::value{};
  };
  auto const done = co_await act_on(std::move(id), std::move(act));
  if (!done) co_return std::unexpected(done.error());
  co_return Status{};
}

Task<Status> Driver::heartbeat(std::string id, std::string effect_id, json::value details) {
  auto const record = co_await find(std::move(id));
  if (!record) co_return std::unexpected(record.error());
  workflow::Heartbeat heartbeat;
  heartbeat.at = parts_.clock.now();
  heartbeat.details = std::move(details);
  auto write = [folder = workflow::RunFolder{record->folder}, effect_id, heartbeat] {
    return write_heartbeat(folder, effect_id, heartbeat);
  };
  co_return co_await pool_.run(std::move(write));
}

Task<Result<json::value>> Driver::query(std::string id, std::string name, json::value arguments) {
  Act act = [name, arguments](DrivenRun& run) { return run.query(name, arguments); };
  co_return co_await act_on(std::move(id), std::move(act));
}

Task<Result<WorkflowRecord>> Driver::cancel(std::string id, std::string reason) {
  auto const found = runs_.find(id);
  RunPtr const run = found == runs_.end() ? nullptr : found->second;
  std::string const why = reason.empty() ? "cancelled by a user" : reason;
  Act act = [why](DrivenRun& driven) -> Result<json::value> {
    auto const halted = driven.halt(why);
    if (!halted) return std::unexpected(halted.error());
    return json::value{};
  };
  auto const before = run ? run->record.state : WorkflowState::running;
  if (run) run->record.state = WorkflowState::cancelled;
  if (run) run->record.reason = why;
  auto const done = co_await act_on(id, std::move(act));
  if (!done) {
    if (run && !run->over) run->record.state = before;
    co_return std::unexpected(done.error());
  }
  co_return co_await wait_end(std::move(id));
}

Task<Result<WorkflowRecord>> Driver::wait_end(std::string id) {
  for (;;) {
    auto const seen = ended_.version();
    if (stopping_) co_return fail(ErrorCode::cancelled, "the server stops");
    if (!runs_.contains(id)) break;
    co_await ended_.wait(seen);
  }
  co_return co_await find(std::move(id));
}

}  // namespace drover::driver
