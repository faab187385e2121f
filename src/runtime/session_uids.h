#pragma once
// Host uids for workloads where drover is root: each live one has a uid that no other has. On the
// event loop.
#include <sys/types.h>
#include <unistd.h>

#include <set>

#include "base/error.h"

namespace drover::runtime {

class SessionUids {
 public:
  SessionUids(uid_t first, uid_t count) : first_(first), count_(count) {}

  // 0 where drover is not root: the program is drover's own user then.
  [[nodiscard]] Result<uid_t> take() {
    if (::geteuid() != 0) return 0;
    for (uid_t offset = 0; offset < count_; ++offset)
      if (taken_.insert(first_ + offset).second) return first_ + offset;
    return fail(ErrorCode::rate_limited, "all {} session uids are in use", count_);
  }
  // One that a workload of an earlier process has.
  void hold(uid_t uid) { taken_.insert(uid); }
  void give_back(uid_t uid) { taken_.erase(uid); }

 private:
  uid_t first_;
  uid_t count_;
  std::set<uid_t> taken_;
};

}  // namespace drover::runtime
