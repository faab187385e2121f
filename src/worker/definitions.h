#pragma once
// Named definitions that this server knows: the built-in ones, those of configuration files, and
// those that the API stored. A name stands for the file's before the API's before the built-in one.
// There are two kinds: task types, and agents.
//
// Used on the event loop. The set is small and kept in memory; what the API changes is on disk
// before it is seen.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contract/agent.h"
#include "contract/task_type.h"
#include "os/blocking_pool.h"
#include "store/migrations.h"
#include "store/writer.h"

namespace drover::worker {

enum class Origin : std::uint8_t { built_in, api, file };
[[nodiscard]] std::string_view to_string(Origin origin);

template <class Spec>
struct Registered {
  Spec spec;
  Origin origin = Origin::built_in;
  std::string file;           // where it is from a file
  std::int64_t revision = 0;  // counts the changes through the API
};

// What tells one kind from another; see definitions.cc.
template <class Spec>
struct Kind;

// Spec is contract::TaskType or contract::AgentSpec.
template <class Spec>
class Definitions {
 public:
  static constexpr std::size_t kStoredMax = 1000;
  static constexpr std::size_t kFileBytesMax = std::size_t{1} << 20U;

  explicit Definitions(store::Writer& writer);

  [[nodiscard]] static std::vector<store::Migration> migrations();
  // Fills the memory: once, at start. Reads *.toml and *.json of `folder`, which need not exist.
  // The error of a file names it.
  [[nodiscard]] Status load(store::Database& database, std::string const& folder);

  // not_found names those that there are.
  [[nodiscard]] Result<Registered<Spec>> find(std::string_view name) const;
  [[nodiscard]] std::vector<Registered<Spec>> list() const;

  // Told after each change; nobody is told of what load() reads.
  void on_change(std::function<void()> listener) { changed_ = std::move(listener); }

  // Stores it, new or in place of an earlier one. conflict when a file defines it, or when
  // `expected_revision` (0: must be new to the store) is not the present one.
  Task<Result<Registered<Spec>>> put(Spec spec, std::optional<std::int64_t> expected_revision);
  // A built-in one of that name holds again. conflict when a file defines it or the API stored
  // nothing over a built-in one, not_found when there is none of that name.
  Task<Status> remove(std::string name);

 private:
  using Named = std::map<std::string, Registered<Spec>, std::less<>>;
  [[nodiscard]] Status load_files(std::string const& folder);
  [[nodiscard]] Status load_file(std::string const& path);
  [[nodiscard]] Registered<Spec> const* lookup(std::string_view name) const;
  [[nodiscard]] Status check_not_in_file(std::string_view name) const;

  store::Writer& writer_;
  Named built_in_, stored_, files_;
  std::function<void()> changed_ = [] {};
};

using RegisteredTask = Registered<contract::TaskType>;
using TaskRegistry = Definitions<contract::TaskType>;
using RegisteredAgent = Registered<contract::AgentSpec>;
using AgentRegistry = Definitions<contract::AgentSpec>;

extern template class Definitions<contract::TaskType>;
extern template class Definitions<contract::AgentSpec>;

}  // namespace drover::worker
