#pragma once
// The table of breakpoints: what each asked, and how it was answered; the history that automatic
// approvals go by. The decision itself is a row of the approvals. Plain functions on a connection.
#include <optional>
#include <string>

#include "driver/breakpoints.h"
#include "store/database.h"
#include "store/migrations.h"

namespace drover::driver {

[[nodiscard]] store::Migration breakpoint_migration();

struct Opened {
  std::optional<Verdict> answer{};  // it was answered before, or a rule answers it
};
// Asks, unless it has been asked before.
[[nodiscard]] Result<Opened> open_breakpoint(store::Database& database, EffectJob const& job,
                                             Question const& question, WallTime now);

// not_found: the approval is no breakpoint's. conflict: it is decided.
[[nodiscard]] Result<worker::Approval> answer_breakpoint(store::Database& database,
                                                         worker::ApprovalId const& id,
                                                         Verdict const& answer, WallTime now);
// Nobody waits for it any more; one that is decided stays as it is.
[[nodiscard]] Status withdraw_breakpoint(store::Database& database, worker::ApprovalId const& id,
                                         WallTime now);

}  // namespace drover::driver
