#include "worker/definitions.h"

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

template <>
struct Kind<contract::TaskType> {
  static constexpr std::string_view kNoun = "task type";
  static constexpr std::string_view kTable = "task_types";
  static constexpr store::Migration kMigration = {"task-types", 1, "task types of the API", R"sql(
CREATE TABLE task_types(
  name TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  revision INTEGER NOT NULL
) STRICT
)sql"};
  static auto parse(auto const& from) { return contract::parse_task_type(from); }
  static std::vector<contract::TaskType> built_in() { return contract::built_in_task_types(); }
};

template <>
struct Kind<contract::AgentSpec> {
  static constexpr std::string_view kNoun = "agent";
  static constexpr std::string_view kTable = "agents";
  static constexpr store::Migration kMigration = {"agents", 1, "agents of the API", R"sql(
CREATE TABLE agents(
  name TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  revision INTEGER NOT NULL
) STRICT
)sql"};
  static auto parse(auto const& from) { return contract::parse_agent(from); }
  static std::vector<contract::AgentSpec> built_in() {
    contract::AgentSpec agent;
    agent.name = contract::kDefaultAgent;
    agent.description = "Who works where nobody else is named.";
    return {std::move(agent)};
  }
};

namespace {

template <class Spec>
Registered<Spec> registered(Spec spec, Origin origin) {
  Registered<Spec> made;
  made.spec = std::move(spec);
  made.origin = origin;
  return made;
}

Error in_file(Error error, std::string const& path) {
  error.message = fmt::format("{}: {}", printable(path, 300), error.message);
  return error;
}

}  // namespace

std::string_view to_string(Origin origin) {
  switch (origin) {
    case Origin::built_in:
      return "built-in";
    case Origin::api:
      return "api";
    case Origin::file:
      return "file";
  }
  return "unknown";
}

template <class Spec>
Definitions<Spec>::Definitions(store::Writer& writer) : writer_(writer) {
  for (Spec& spec : Kind<Spec>::built_in()) {
    std::string name = spec.name;
    built_in_.emplace(std::move(name), registered(std::move(spec), Origin::built_in));
  }
}

template <class Spec>
std::vector<store::Migration> Definitions<Spec>::migrations() {
  return {Kind<Spec>::kMigration};
}

template <class Spec>
Status Definitions<Spec>::load(store::Database& database, std::string const& folder) {
  auto rows = database.query(fmt::format("SELECT body, revision FROM {}", Kind<Spec>::kTable));
  if (!rows) return std::unexpected(rows.error());
  for (;;) {
    auto const more = rows->step();
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    auto spec = Kind<Spec>::parse(rows->text(0));
    if (!spec)
      return fail(ErrorCode::data_corrupt, "a stored {} cannot be read: {}", Kind<Spec>::kNoun,
                  spec.error().message);
    Registered<Spec> one = registered(*std::move(spec), Origin::api);
    one.revision = rows->integer(1);
    stored_.insert_or_assign(one.spec.name, std::move(one));
  }
  return load_files(folder);
}

template <class Spec>
Status Definitions<Spec>::load_files(std::string const& folder) {
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

template <class Spec>
Status Definitions<Spec>::load_file(std::string const& path) {
  auto const text = os::read_file(path, kFileBytesMax);
  if (!text) return std::unexpected(text.error());
  auto const value = parse_config(path, *text);
  if (!value) return std::unexpected(in_file(value.error(), path));
  auto spec = Kind<Spec>::parse(*value);
  if (!spec) return std::unexpected(in_file(spec.error(), path));
  Registered<Spec> one = registered(*std::move(spec), Origin::file);
  one.file = path;
  auto const [known, added] = files_.emplace(one.spec.name, one);
  if (added) return {};
  return fail_next(
      ErrorCode::conflict,
      fmt::format("{} and {} both define the {} {}", known->second.file, path, Kind<Spec>::kNoun,
                  one.spec.name),
      fmt::format("rename one of the {}s, or remove one of the files", Kind<Spec>::kNoun));
}

template <class Spec>
Registered<Spec> const* Definitions<Spec>::lookup(std::string_view name) const {
  for (Named const* named : {&files_, &stored_, &built_in_}) {
    auto const found = named->find(name);
    if (found != named->end()) return &found->second;
  }
  return nullptr;
}

template <class Spec>
Result<Registered<Spec>> Definitions<Spec>::find(std::string_view name) const {
  if (auto const* const found = lookup(name); found != nullptr) return *found;
  std::vector<std::string> names;
  for (Registered<Spec> const& one : list())
    names.push_back(one.spec.name);
  return fail_next(ErrorCode::not_found,
                   fmt::format("there is no {} '{}'", Kind<Spec>::kNoun, printable(name, 60)),
                   fmt::format("there are: {}", fmt::join(names, ", ")));
}

template <class Spec>
std::vector<Registered<Spec>> Definitions<Spec>::list() const {
  Named all = files_;
  all.insert(stored_.begin(), stored_.end());
  all.insert(built_in_.begin(), built_in_.end());
  std::vector<Registered<Spec>> specs;
  for (auto const& [name, one] : all)
    specs.push_back(one);
  return specs;
}

template <class Spec>
Status Definitions<Spec>::check_not_in_file(std::string_view name) const {
  auto const file = files_.find(name);
  if (file == files_.end()) return {};
  return fail_next(
      ErrorCode::conflict,
      fmt::format("the {} {} is defined in {}", Kind<Spec>::kNoun, name, file->second.file),
      "change it there, and restart the server");
}

template <class Spec>
Task<Result<Registered<Spec>>> Definitions<Spec>::put(
    Spec spec, std::optional<std::int64_t> expected_revision) {
  auto const free = check_not_in_file(spec.name);
  if (!free) co_return std::unexpected(free.error());
  auto const known = stored_.find(spec.name);
  std::int64_t const present = known == stored_.end() ? 0 : known->second.revision;
  if (expected_revision && *expected_revision != present)
    co_return fail_next(ErrorCode::conflict,
                        fmt::format("the {} {} is at revision {}, not {}", Kind<Spec>::kNoun,
                                    spec.name, present, *expected_revision),
                        "read it again, and repeat the change on what is there now");
  if (known == stored_.end() && stored_.size() >= kStoredMax)
    co_return fail_next(
        ErrorCode::too_large,
        fmt::format("{} {}s are stored, which is the limit", kStoredMax, Kind<Spec>::kNoun),
        "delete those that are not used");
  Registered<Spec> one = registered(std::move(spec), Origin::api);
  one.revision = present + 1;
  auto const stored = co_await writer_.run([this, one](store::Transaction& transaction) -> Status {
    DROVER_TRY(transaction.db().run(
        fmt::format("INSERT INTO {}(name, body, revision) VALUES(?1,?2,?3)"
                    " ON CONFLICT(name) DO UPDATE SET body=?2, revision=?3 WHERE revision=?3-1",
                    Kind<Spec>::kTable),
        one.spec.name, json::serialize(contract::to_json(one.spec)), one.revision));
    if (transaction.db().changes() == 0)
      return fail(ErrorCode::conflict, "the {} {} was changed meanwhile", Kind<Spec>::kNoun,
                  one.spec.name);
    transaction.on_commit([this, one] {
      stored_.insert_or_assign(one.spec.name, one);
      changed_();
    });
    return {};
  });
  if (!stored) co_return std::unexpected(stored.error());
  co_return one;
}

template <class Spec>
Task<Status> Definitions<Spec>::remove(std::string name) {
  auto const free = check_not_in_file(name);
  if (!free) co_return free;
  if (!stored_.contains(name) && built_in_.contains(name))
    co_return fail_next(
        ErrorCode::conflict,
        fmt::format("the {} {} is built in and cannot be removed", Kind<Spec>::kNoun, name),
        "put one of that name to stand before it");
  if (!stored_.contains(name))
    co_return fail(ErrorCode::not_found, "no {} '{}' was stored through the API", Kind<Spec>::kNoun,
                   printable(name, 60));
  co_return co_await writer_.run([this, name](store::Transaction& transaction) -> Status {
    DROVER_TRY(
        transaction.db().run(fmt::format("DELETE FROM {} WHERE name=?", Kind<Spec>::kTable), name));
    transaction.on_commit([this, name] {
      stored_.erase(name);
      changed_();
    });
    return {};
  });
}

template class Definitions<contract::TaskType>;
template class Definitions<contract::AgentSpec>;

}  // namespace drover::worker
