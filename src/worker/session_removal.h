#pragma once
// Takes a session away: its warm unit, worktree, branch and state folder. Its runs and their events
// stay, and it takes no further message.
//
// On the event loop.
#include <optional>

#include "base/error.h"
#include "base/id.h"
#include "worker/services.h"
#include "worker/workforce.h"
#include "workspace/session_tree.h"

namespace drover::worker {

enum class Removal : std::uint8_t {
  landed_only,  // conflict when commits or changes would be lost
  discard,      // whatever is in it
};

// What the session has beside the user's checkout; nothing where it works in place.
[[nodiscard]] Result<std::optional<workspace::SessionTree>> session_tree(
    Services const& services, SessionRecord const& session);

// conflict while a run of it is under way or queued. One that was cut off is taken up by the next
// call; a session that is removed already is no error.
Task<Status> remove_session(Services const& services, Workforce& workforce, SessionId id,
                            Removal removal);

}  // namespace drover::worker
