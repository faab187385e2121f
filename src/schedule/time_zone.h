#pragma once
// A time zone of the system's tz database (package tzdata), as stretches of time in which the
// offset from UTC does not change.
//
// Immutable, thread-safe, cheap to copy. Rules are read once for the life of the process: after an
// update of tzdata the server is restarted.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"

namespace drover::schedule {

using std::chrono::sys_seconds;
using LocalSeconds = std::chrono::local_seconds;

class TimeZone {
 public:
  // invalid_argument for a name that the database lacks.
  [[nodiscard]] static Result<TimeZone> load(std::string_view name);
  [[nodiscard]] static TimeZone utc();

  // A change of the clock: before `at` the offset is `before`, from `at` on it is `after`.
  struct Change {
    sys_seconds at;
    std::chrono::seconds before;
    std::chrono::seconds after;
  };

  [[nodiscard]] std::string const& name() const;
  [[nodiscard]] std::chrono::seconds offset_at(sys_seconds time) const;
  // The first change behind `time`; nullopt when there is none any more.
  [[nodiscard]] std::optional<Change> next_change(sys_seconds time) const;
  // Whether the local time that `time` shows has been there before: the clock was put back since.
  [[nodiscard]] bool repeats(sys_seconds time) const;
  // "2026-11-21T09:30:00+01:00"
  [[nodiscard]] std::string format(sys_seconds time) const;

 private:
  struct Impl;
  explicit TimeZone(std::shared_ptr<Impl const> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl const> impl_;  // shared by copies
};

}  // namespace drover::schedule
