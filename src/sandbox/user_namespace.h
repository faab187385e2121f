#pragma once
// User namespaces held by a descriptor, without a process in them: one for the agent's ids of a
// session, one for each idmapped mount. Making one takes about a millisecond, so they are kept.
// Thread-safe. Needs CAP_SYS_ADMIN in the initial user namespace.
#include <sys/types.h>

#include <list>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/guarded.h"
#include "os/fd.h"

namespace drover::sandbox {

// One id inside the namespace for one outside, users and groups.
struct IdMap {
  uid_t inside_uid = 0;
  uid_t outside_uid = 0;
  gid_t inside_gid = 0;
  gid_t outside_gid = 0;
  friend bool operator==(IdMap const&, IdMap const&) = default;
};

[[nodiscard]] Result<os::Fd> make_user_namespace(IdMap const& map);

class UserNamespaces {
 public:
  static constexpr std::size_t kKeptMax = 128;  // the least recently used is closed

  // Shared, because a launch that uses it may outlast its place in the cache.
  [[nodiscard]] Result<std::shared_ptr<os::Fd const>> get(IdMap const& map);

 private:
  struct Entry {
    IdMap map;
    std::shared_ptr<os::Fd const> fd;
  };
  Guarded<std::list<Entry>> entries_;  // most recently used first
};

}  // namespace drover::sandbox
