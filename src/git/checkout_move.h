#pragma once
// Taking HEAD, index and work tree together from one commit to another, all or nothing. Internal to
// the layer: landing a branch and rewinding a turn are both this.
#include <string>
#include <vector>

#include "git/repository.h"

namespace drover::git {

struct CheckoutMove {
  Head head;   // where the checkout is; its branch moves
  Oid target;  // where it goes
  Identity who;
  WallTime when;
  std::string reflog;
  std::vector<std::string> excluded;  // not looked at for cleanness
  std::string again;                  // "land again": what to do once the obstacle is gone
};

// conflict, with everything as it was: uncommitted changes, or paths in the way that git does not
// track; both are named.
[[nodiscard]] Status move_checkout(Repository& repository, CheckoutMove const& move);
[[nodiscard]] Status require_clean(Repository& repository, std::vector<std::string> const& excluded,
                                   std::string const& again);

}  // namespace drover::git
