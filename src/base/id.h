#pragma once
// Strong ids: swapped arguments do not compile. Every id is a lower-case slug,
// ^[a-z0-9][a-z0-9-]{0,62}$, so that it is safe in paths, URLs, stream names and argv.
#include <fmt/core.h>

#include <compare>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"

namespace drover {

[[nodiscard]] bool is_slug(std::string_view text);
// The nearest slug to a folder's or a person's name; "x" where nothing of it can stay.
[[nodiscard]] std::string make_slug(std::string_view text);
// `<prefix>-<26 characters of a ULID>`: sorts by time, unique without a coordinator.
[[nodiscard]] std::string new_id_text(std::string_view prefix, Clock const& clock, Random& random);
[[nodiscard]] Error bad_id(std::string_view kind, std::string_view text);

template <class Tag>
class Id {
 public:
  Id() = default;  // empty: "none"; no stored id is empty

  // An id from outside. The error names the kind and what an id looks like.
  [[nodiscard]] static Result<Id> parse(std::string_view text) {
    if (!is_slug(text)) return std::unexpected(bad_id(Tag::kKind, text));
    return Id{std::string{text}};
  }
  // An id that this program made or stored before.
  [[nodiscard]] static Id trusted(std::string text) { return Id{std::move(text)}; }
  [[nodiscard]] static Id create(Clock const& clock, Random& random) {
    return Id{new_id_text(Tag::kPrefix, clock, random)};
  }

  [[nodiscard]] std::string const& str() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  friend auto operator<=>(Id const&, Id const&) = default;

 private:
  explicit Id(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// clang-format off
struct RunTag { static constexpr std::string_view kKind = "run", kPrefix = "run"; };
struct SessionTag { static constexpr std::string_view kKind = "session", kPrefix = "ses"; };
struct WorkspaceTag { static constexpr std::string_view kKind = "workspace", kPrefix = "ws"; };
struct AgentTag { static constexpr std::string_view kKind = "agent", kPrefix = "agent"; };
struct WorkerTag { static constexpr std::string_view kKind = "worker", kPrefix = "wrk"; };
struct WorkloadTag { static constexpr std::string_view kKind = "workload", kPrefix = "wl"; };
struct ScheduleTag { static constexpr std::string_view kKind = "schedule", kPrefix = "sch"; };
// clang-format on
using RunId = Id<RunTag>;
using SessionId = Id<SessionTag>;
using WorkspaceId = Id<WorkspaceTag>;
using AgentId = Id<AgentTag>;
using WorkerId = Id<WorkerTag>;
using WorkloadId = Id<WorkloadTag>;
using ScheduleId = Id<ScheduleTag>;

// Fences attempts at one run: a higher epoch refuses every write of a lower one.
enum class Epoch : std::int64_t {};

}  // namespace drover

template <class Tag>
struct std::hash<drover::Id<Tag>> {
  std::size_t operator()(drover::Id<Tag> const& id) const noexcept {
    return std::hash<std::string>{}(id.str());
  }
};

template <class Tag>
struct fmt::formatter<drover::Id<Tag>> : fmt::formatter<std::string_view> {
  auto format(drover::Id<Tag> const& id, fmt::format_context& context) const {
    return fmt::formatter<std::string_view>::format(id.str(), context);
  }
};
