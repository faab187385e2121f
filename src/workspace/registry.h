#pragma once
// The workspaces that this server knows: an id for a folder under git. The folder stays the user's;
// forgetting a workspace touches no file.
//
// Used on the event loop. The table is small and kept in memory; every change is on disk before it
// is seen.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/time.h"
#include "git/repository.h"
#include "os/blocking_pool.h"
#include "store/migrations.h"
#include "store/writer.h"

namespace drover::workspace {

struct Workspace {
  WorkspaceId id;
  std::string path;  // absolute, without links
  WallTime created_at;
};

enum class Init : std::uint8_t {
  empty_only,  // an empty folder becomes a repository; a folder with files must be one
  adopt_files  // a folder with files becomes a repository too, its files the first commit
};

class Registry {
 public:
  Registry(store::Writer& writer, os::BlockingPool& pool, Clock const& clock);

  [[nodiscard]] static std::vector<store::Migration> migrations();
  // Fills the memory from the table; once, at start.
  [[nodiscard]] Status load(store::Database& database);

  struct Added {
    Workspace workspace;
    bool created = false;  // false: the path was registered already
  };
  // Checks the folder, makes it a repository where `init` allows, and stores it. The id is derived
  // from the folder's name where none is given.
  Task<Result<Added>> add(std::string path, std::optional<WorkspaceId> wanted, Init init);
  Task<Status> forget(WorkspaceId id);

  [[nodiscard]] Result<Workspace> find(WorkspaceId const& id) const;
  [[nodiscard]] std::vector<Workspace> list() const;

 private:
  [[nodiscard]] Workspace const* by_path(std::string const& path) const;
  [[nodiscard]] WorkspaceId free_id(std::string const& path) const;

  store::Writer& writer_;
  os::BlockingPool& pool_;
  Clock const& clock_;
  std::map<WorkspaceId, Workspace> all_;
};

}  // namespace drover::workspace
