#pragma once
// Who changed which definition, when, and what of it: one row for each change, written in the
// transaction of the change. Plain functions on a connection, inside a job of the Writer or of a
// Reader. The newest kAuditRowsMax rows are kept: each further one takes the oldest with it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/json_difference.h"
#include "base/time.h"
#include "store/database.h"
#include "store/migrations.h"

namespace drover::worker {

inline constexpr std::int64_t kAuditRowsMax = 10'000;
// Of a member's side in a listing: a longer one is told by its beginning.
inline constexpr std::size_t kAuditListedBytesMax = 2000;

enum class AuditAction : std::uint8_t { created, changed, enabled, disabled, deleted };
[[nodiscard]] std::string_view to_string(AuditAction action);

struct AuditEntry {
  std::int64_t id = 0;  // counts up; given by insert_audit()
  WallTime at;
  std::string kind;  // "agent", "task_type"
  std::string name;
  AuditAction action = AuditAction::changed;
  std::int64_t revision = 0;  // that the change made; of a deletion the last one
  std::string actor;          // who says to have done it: "user:ann"
  std::vector<JsonDifference> changes;
};

// What a change comes to. `before` is what the name stood for, so that a first definition over a
// built-in one is a change; `after` is null of a deletion; `changes` are between them.
[[nodiscard]] AuditAction action_of(json::value const* before, json::value const* after,
                                    std::vector<JsonDifference> const& changes);

[[nodiscard]] std::vector<store::Migration> audit_migrations();

[[nodiscard]] Status insert_audit(store::Database& database, AuditEntry const& entry);
[[nodiscard]] Result<AuditEntry> find_audit(store::Database& database, std::int64_t id);
struct AuditFilter {
  std::string kind;                    // empty: any
  std::string name;                    // empty: any
  std::optional<std::int64_t> before;  // older than this one
  std::size_t most = 50;
};
// The newest first.
[[nodiscard]] Result<std::vector<AuditEntry>> list_audit(store::Database& database,
                                                         AuditFilter const& filter);

enum class AuditForm : std::uint8_t { whole, listed };
// Of one that is listed, "shortened" is true where a side has more bytes than
// kAuditListedBytesMax; its text is then the beginning of what it was.
[[nodiscard]] json::object to_json(AuditEntry const& entry, AuditForm form);

}  // namespace drover::worker
