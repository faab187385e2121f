#pragma once
// Named definitions that this server knows: the built-in ones, those of configuration files, and
// those that the API stored. A name stands for the file's before the API's before the built-in one.
// There are two kinds: task types, and agents.
//
// Used on the event loop. The set is small and kept in memory; what the API changes is on disk
// before it is seen.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "contract/agent.h"
#include "contract/task_type.h"
#include "os/blocking_pool.h"
#include "store/migrations.h"
#include "store/writer.h"
#include "worker/definition_rows.h"

namespace drover::worker {

enum class Origin : std::uint8_t { built_in, api, file };
[[nodiscard]] std::string_view to_string(Origin origin);

template <class Spec>
struct Registered {
  Spec spec;
  Origin origin = Origin::built_in;
  std::string file;           // where it is from a file
  std::int64_t revision = 0;  // grows with each change through the API; 0: never stored
};

// One that was put, and what that came to.
template <class Spec>
struct Put {
  Registered<Spec> definition;
  DefinitionWrite what = DefinitionWrite::created;
};

// Who asks for a change, and of what.
struct DefinitionTerms {
  std::optional<std::int64_t> expected_revision;  // nullopt: whatever is there; 0: nothing is
  std::string actor;
};

enum class DefinitionAct : std::uint8_t { put, removed };
using DefinitionListener = std::function<void(std::string const& name, DefinitionAct act)>;

// What tells one kind from another; see definitions.cc.
template <class Spec>
struct Kind;

// Spec is contract::TaskType or contract::AgentSpec.
template <class Spec>
class Definitions {
 public:
  static constexpr std::size_t kFileBytesMax = std::size_t{1} << 20U;

  Definitions(store::Writer& writer, Clock const& clock);

  // Of this kind; definition_migrations() has what the kinds share.
  [[nodiscard]] static std::vector<store::Migration> migrations();
  // Fills the memory: once, at start. Reads *.toml and *.json of `folder`, which need not exist.
  // The error of a file names it.
  [[nodiscard]] Status load(store::Database& database, std::string const& folder);

  // not_found names those that there are.
  [[nodiscard]] Result<Registered<Spec>> find(std::string_view name) const;
  [[nodiscard]] std::vector<Registered<Spec>> list() const;

  // Each listener is told of each change once it is on disk; nobody is told of what load() reads,
  // nor of a put that changed nothing. Listeners live as long as this.
  void on_change(DefinitionListener listener) { listeners_.push_back(std::move(listener)); }

  // Stores it, new or in place of an earlier one. conflict when a file defines it, or when the
  // expected revision is not the present one.
  Task<Result<Put<Spec>>> put(Spec spec, DefinitionTerms terms);
  // A built-in one of that name holds again. conflict when a file defines it, the expected revision
  // is not the present one, or the API stored nothing over a built-in one; not_found when there is
  // none of that name.
  Task<Status> remove(std::string name, DefinitionTerms terms);

 private:
  using Named = std::map<std::string, Registered<Spec>, std::less<>>;
  [[nodiscard]] Status load_files(std::string const& folder);
  [[nodiscard]] Status load_file(std::string const& path);
  [[nodiscard]] Registered<Spec> const* lookup(std::string_view name) const;
  [[nodiscard]] Status check_not_in_file(std::string_view name) const;
  [[nodiscard]] DefinitionChange change_of(std::string name, DefinitionTerms terms) const;
  void tell(std::string const& name, DefinitionAct act) const;

  store::Writer& writer_;
  Clock const& clock_;
  Named built_in_, stored_, files_;
  std::vector<DefinitionListener> listeners_;
};

using RegisteredTask = Registered<contract::TaskType>;
using TaskRegistry = Definitions<contract::TaskType>;
using RegisteredAgent = Registered<contract::AgentSpec>;
using AgentRegistry = Definitions<contract::AgentSpec>;

extern template class Definitions<contract::TaskType>;
extern template class Definitions<contract::AgentSpec>;

}  // namespace drover::worker
