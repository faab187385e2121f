#pragma once
// One entry of a run's journal: `journal/<seq>.<ULID>.json`, a JSON object of type, time, data and
// the checksum of all before it. Number and ULID are only in the name. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace drover::workflow {

// The version of the format that drover writes, where the SDK puts its own.
inline constexpr std::string_view kFormatVersion = "6.0.0";

namespace event_type {
inline constexpr std::string_view kRunCreated = "RUN_CREATED";
inline constexpr std::string_view kProcessAssigned = "PROCESS_ASSIGNED";
inline constexpr std::string_view kCodeChanged = "PROCESS_CODE_HASH_CHANGED";
inline constexpr std::string_view kEffectRequested = "EFFECT_REQUESTED";
inline constexpr std::string_view kEffectResolved = "EFFECT_RESOLVED";
inline constexpr std::string_view kEffectCancelled = "EFFECT_CANCELLED";
inline constexpr std::string_view kRunCompleted = "RUN_COMPLETED";
inline constexpr std::string_view kRunFailed = "RUN_FAILED";
inline constexpr std::string_view kRunHalted = "RUN_HALTED";
inline constexpr std::string_view kProcessError = "PROCESS_RUNTIME_ERROR";
// Of drover alone; other tools pass over types that they do not know.
inline constexpr std::string_view kRecorded = "DROVER_RECORDED";
inline constexpr std::string_view kEffectBegun = "DROVER_EFFECT_BEGUN";
inline constexpr std::string_view kSignal = "DROVER_SIGNAL";
inline constexpr std::string_view kContinued = "DROVER_PROCESS_CONTINUED";
}  // namespace event_type

struct EventName {
  std::uint64_t seq = 0;
  std::string ulid;
  friend bool operator==(EventName const&, EventName const&) = default;
};

struct Event {
  EventName name;
  std::string type;
  std::string recorded_at;  // RFC 3339 with milliseconds, as written
  json::object data;
};

[[nodiscard]] std::string file_name(EventName const& name);
// nullopt: not the name of an entry.
[[nodiscard]] std::optional<EventName> parse_file_name(std::string_view file);

enum class Writer : std::uint8_t {
  older,  // writes no sdkVersion (SDK 0.x), and so does drover in a run of its
  current,
};
// The file's text, with its checksum.
[[nodiscard]] std::string print_event(Event const& event, Writer writer);

// data_corrupt: no JSON, no entry, or a checksum of another text.
[[nodiscard]] Result<Event> parse_event(EventName name, std::string_view text);

}  // namespace drover::workflow
