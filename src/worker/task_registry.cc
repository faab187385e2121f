#include "worker/task_registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include <boost/json.hpp>

#include "base/config_text.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::worker {

namespace {

constexpr std::string_view kTable = R"sql(
CREATE TABLE task_types(
  name TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  revision INTEGER NOT NULL
) STRICT
)sql";

RegisteredTask registered(contract::TaskType type, TaskOrigin origin) {
  RegisteredTask task;
  task.type = std::move(type);
  task.origin = origin;
  return task;
}

Error in_file(Error error, std::string const& path) {
  error.message = fmt::format("{}: {}", printable(path, 300), error.message);
  return error;
}

}  // namespace

std::string_view to_string(TaskOrigin origin) {
  switch (origin) {
    case TaskOrigin::built_in:
      return "built-in";
    case TaskOrigin::api:
      return "api";
    case TaskOrigin::file:
      return "file";
  }
  return "unknown";
}

TaskRegistry::TaskRegistry(store::Writer& writer) : writer_(writer) {
  for (contract::TaskType const& type : contract::built_in_task_types())
    built_in_.emplace(type.name, registered(type, TaskOrigin::built_in));
}

std::vector<store::Migration> TaskRegistry::migrations() {
  return {{"task-types", 1, "task types of the API", kTable}};
}

Status TaskRegistry::load(store::Database& database, std::string const& folder) {
  auto rows = database.query("SELECT body, revision FROM task_types");
  if (!rows) return std::unexpected(rows.error());
  for (;;) {
    auto const more = rows->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    auto type = contract::parse_task_type(rows->text(0));
    if (!type)
      return fail(ErrorCode::data_corrupt, "a stored task type cannot be read: {}",
                  type.error().message);
    RegisteredTask task = registered(*std::move(type), TaskOrigin::api);
    task.revision = rows->integer(1);
    stored_.insert_or_assign(task.type.name, std::move(task));
  }
  return load_files(folder);
}

Status TaskRegistry::load_files(std::string const& folder) {
  namespace fs = std::filesystem;
  if (!os::exists(folder)) return {};
  std::vector<std::string> paths;
  std::error_code error;
  for (fs::directory_iterator at{folder, error}; !error && at != fs::directory_iterator{};
       at.increment(error)) {
    std::string path = at->path();
    if (is_config_name(path)) paths.push_back(std::move(path));
  }
  if (error) return std::unexpected(system_error(error.value(), "read the folder", folder));
  std::ranges::sort(paths);
  for (std::string const& path : paths)
    DROVER_TRY(load_file(path));
  return {};
}

Status TaskRegistry::load_file(std::string const& path) {
  auto const text = os::read_file(path, kFileBytesMax);
  if (!text) return std::unexpected(text.error());
  auto const value = parse_config(path, *text);
  if (!value) return std::unexpected(in_file(value.error(), path));
  auto type = contract::parse_task_type(*value);
  if (!type) return std::unexpected(in_file(type.error(), path));
  RegisteredTask task = registered(*std::move(type), TaskOrigin::file);
  task.file = path;
  auto const [known, added] = files_.emplace(task.type.name, task);
  if (added) return {};
  return fail_next(ErrorCode::conflict,
                   fmt::format("{} and {} both define the task type {}", known->second.file, path,
                               task.type.name),
                   "rename one of the types, or remove one of the files");
}

RegisteredTask const* TaskRegistry::lookup(std::string_view name) const {
  for (Types const* types : {&files_, &stored_, &built_in_}) {
    auto const found = types->find(name);
    if (found != types->end()) return &found->second;
  }
  return nullptr;
}

Result<RegisteredTask> TaskRegistry::find(std::string_view name) const {
  if (auto const* const found = lookup(name); found != nullptr) return *found;
  std::vector<std::string> names;
  for (RegisteredTask const& task : list())
    names.push_back(task.type.name);
  return fail_next(ErrorCode::not_found,
                   fmt::format("there is no task type '{}'", printable(name, 60)),
                   fmt::format("there are: {}", fmt::join(names, ", ")));
}

std::vector<RegisteredTask> TaskRegistry::list() const {
  Types all = files_;
  all.insert(stored_.begin(), stored_.end());
  all.insert(built_in_.begin(), built_in_.end());
  std::vector<RegisteredTask> tasks;
  for (auto const& [name, task] : all)
    tasks.push_back(task);
  return tasks;
}

Status TaskRegistry::check_not_in_file(std::string_view name) const {
  auto const file = files_.find(name);
  if (file == files_.end()) return {};
  return fail_next(ErrorCode::conflict,
                   fmt::format("the task type {} is defined in {}", name, file->second.file),
                   "change it there, and restart the server");
}

Task<Result<RegisteredTask>> TaskRegistry::put(contract::TaskType type,
                                               std::optional<std::int64_t> expected_revision) {
  auto const free = check_not_in_file(type.name);
  if (!free) co_return std::unexpected(free.error());
  auto const known = stored_.find(type.name);
  std::int64_t const present = known == stored_.end() ? 0 : known->second.revision;
  if (expected_revision && *expected_revision != present)
    co_return fail_next(ErrorCode::conflict,
                        fmt::format("the task type {} is at revision {}, not {}", type.name,
                                    present, *expected_revision),
                        "read it again, and repeat the change on what is there now");
  if (known == stored_.end() && stored_.size() >= kStoredMax)
    co_return fail_next(ErrorCode::too_large,
                        fmt::format("{} task types are stored, which is the limit", kStoredMax),
                        "delete those that are not used");
  RegisteredTask task = registered(std::move(type), TaskOrigin::api);
  task.revision = present + 1;
  auto const stored = co_await writer_.run([this, task](store::Transaction& transaction) -> Status {
    DROVER_TRY(transaction.db().run(
        "INSERT INTO task_types(name, body, revision) VALUES(?1,?2,?3)"
        " ON CONFLICT(name) DO UPDATE SET body=?2, revision=?3 WHERE revision=?3-1",
        task.type.name, json::serialize(contract::to_json(task.type)), task.revision));
    if (transaction.db().changes() == 0)
      return fail(ErrorCode::conflict, "the task type {} was changed meanwhile", task.type.name);
    transaction.on_commit([this, task] { stored_.insert_or_assign(task.type.name, task); });
    return {};
  });
  if (!stored) co_return std::unexpected(stored.error());
  co_return task;
}

Task<Status> TaskRegistry::remove(std::string name) {
  auto const free = check_not_in_file(name);
  if (!free) co_return free;
  if (!stored_.contains(name) && built_in_.contains(name))
    co_return fail_next(ErrorCode::conflict,
                        fmt::format("the task type {} is built in and cannot be removed", name),
                        "put one of that name to stand before it");
  if (!stored_.contains(name))
    co_return fail(ErrorCode::not_found, "no task type '{}' was stored through the API",
                   printable(name, 60));
  co_return co_await writer_.run([this, name](store::Transaction& transaction) -> Status {
    DROVER_TRY(transaction.db().run("DELETE FROM task_types WHERE name=?", name));
    transaction.on_commit([this, name] { stored_.erase(name); });
    return {};
  });
}

}  // namespace drover::worker
