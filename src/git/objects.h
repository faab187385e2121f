#pragma once
// New objects of one commit, written together: each goes to a temporary file at once, and is named
// once all are durable, so that a crash never leaves a named object without its content. An
// abandoned batch leaves nothing behind (after a kill, `tmp_obj_*` files that `git gc` removes).
// Internal to the layer. Not thread-safe.
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "git/handles.h"
#include "git/oid.h"
#include "git/sync_set.h"
#include "os/fd.h"

namespace drover::git {

class ObjectBatch {
 public:
  // `odb` must outlive the batch.
  ObjectBatch(git_odb* odb, std::string objects_folder);
  ~ObjectBatch();
  ObjectBatch(ObjectBatch const&) = delete;
  ObjectBatch& operator=(ObjectBatch const&) = delete;

  // no_space and the like name the objects folder.
  [[nodiscard]] Result<Oid> put(git_object_t type, std::string_view content);
  // The contents, to be synced before publish(). Call each once, after the last put().
  void collect(SyncSet& contents);
  // Makes them visible; durable once `names` is synced.
  [[nodiscard]] Status publish(SyncSet& names);
  // All of it, for a caller that writes nothing else.
  [[nodiscard]] Status flush();

 private:
  struct Pending {
    Oid oid;
    std::string temporary;
    os::Fd fd;
  };
  // Above it one sync of the file system is cheaper than one of each file.
  static constexpr std::size_t kSyncedApartMax = 64;
  [[nodiscard]] bool many() const { return pending_.size() > kSyncedApartMax; }
  git_odb* odb_;
  std::string folder_;
  std::vector<Pending> pending_;
  std::set<Oid> known_;
};

[[nodiscard]] Result<Oid> hash_object(git_object_t type, std::string_view content);

// An object's content; too_large above `bytes_max`, data_corrupt when it is missing.
[[nodiscard]] Result<std::string> read_object(git_odb* odb, Oid const& oid, std::size_t bytes_max);

}  // namespace drover::git
