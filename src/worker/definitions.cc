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
  static constexpr DefinitionTable kTable = {"task_type", "task type", "task_types"};
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
  static constexpr DefinitionTable kTable = {"agent", "agent", "agents"};
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
Definitions<Spec>::Definitions(store::Writer& writer, Clock const& clock)
    : writer_(writer), clock_(clock) {
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
  DROVER_TRY(each_definition(database, Kind<Spec>::kTable, [this](DefinitionRow row) -> Status {
    auto spec = Kind<Spec>::parse(row.body);
    if (!spec)
      return fail(ErrorCode::data_corrupt, "the stored {} {} cannot be read: {}",
                  Kind<Spec>::kTable.noun, row.name, spec.error().message);
    Registered<Spec> one = registered(*std::move(spec), Origin::api);
    one.revision = row.revision;
    stored_.insert_or_assign(std::move(row.name), std::move(one));
    return {};
  }));
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
      fmt::format("{} and {} both define the {} {}", known->second.file, path,
                  Kind<Spec>::kTable.noun, one.spec.name),
      fmt::format("rename one of the {}s, or remove one of the files", Kind<Spec>::kTable.noun));
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
                   fmt::format("there is no {} '{}'", Kind<Spec>::kTable.noun, printable(name, 60)),
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
      fmt::format("the {} {} is defined in {}", Kind<Spec>::kTable.noun, name, file->second.file),
      "change it there, and restart the server");
}

template <class Spec>
DefinitionChange Definitions<Spec>::change_of(std::string name, DefinitionTerms terms) const {
  DefinitionChange change;
  if (auto const found = built_in_.find(name); found != built_in_.end())
    change.built_in = contract::to_json(found->second.spec);
  change.name = std::move(name);
  change.expected_revision = terms.expected_revision;
  change.actor = std::move(terms.actor);
  change.at = clock_.now();
  return change;
}

template <class Spec>
void Definitions<Spec>::tell(std::string const& name, DefinitionAct act) const {
  for (DefinitionListener const& listener : listeners_)
    listener(name, act);
}

template <class Spec>
Task<Result<Put<Spec>>> Definitions<Spec>::put(Spec spec, DefinitionTerms terms) {
  auto const free = check_not_in_file(spec.name);
  if (!free) co_return std::unexpected(free.error());
  auto const change = change_of(spec.name, std::move(terms));
  auto const write =
      [this, change, spec = std::move(spec)](store::Transaction& transaction) -> Result<Put<Spec>> {
    auto const written =
        write_definition(transaction.db(), Kind<Spec>::kTable, change, contract::to_json(spec));
    if (!written) return std::unexpected(written.error());
    Put<Spec> put;
    put.definition = registered(spec, Origin::api);
    put.definition.revision = written->revision;
    put.what = written->what;
    if (put.what != DefinitionWrite::unchanged)
      transaction.on_commit([this, one = put.definition] {
        stored_.insert_or_assign(one.spec.name, one);
        tell(one.spec.name, DefinitionAct::put);
      });
    return put;
  };
  co_return co_await writer_.run(write);
}

template <class Spec>
Task<Status> Definitions<Spec>::remove(std::string name, DefinitionTerms terms) {
  auto const free = check_not_in_file(name);
  if (!free) co_return free;
  auto const change = change_of(std::move(name), std::move(terms));
  auto const write = [this, change](store::Transaction& transaction) -> Status {
    DROVER_TRY(remove_definition(transaction.db(), Kind<Spec>::kTable, change));
    transaction.on_commit([this, name = change.name] {
      stored_.erase(name);
      tell(name, DefinitionAct::removed);
    });
    return {};
  };
  co_return co_await writer_.run(write);
}

template class Definitions<contract::TaskType>;
template class Definitions<contract::AgentSpec>;

}  // namespace drover::worker
