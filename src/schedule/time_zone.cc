#include "schedule/time_zone.h"

#include <cctz/time_zone.h>
#include <fmt/chrono.h>

#include <algorithm>

#include "base/text.h"

namespace drover::schedule {

using std::chrono::seconds;

struct TimeZone::Impl {
  std::string name;
  cctz::time_zone zone;
};

namespace {

constexpr std::size_t kNameBytesMax = 64;

// What may follow the database's folder: no way out of it.
bool is_zone_name(std::string_view name) {
  constexpr std::string_view kPunctuation = "_+-/";
  bool const clean = std::ranges::all_of(name, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kPunctuation.contains(c);
  });
  return clean && !name.empty() && name.size() <= kNameBytesMax && !name.starts_with('/');
}

}  // namespace

Result<TimeZone> TimeZone::load(std::string_view name) {
  auto impl = std::make_shared<Impl>();
  impl->name = name;
  if (!is_zone_name(name) || !cctz::load_time_zone(impl->name, &impl->zone))
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("there is no time zone '{}'", printable(name, kNameBytesMax)),
                     "use an IANA name such as Europe/Berlin; the package tzdata has them");
  return TimeZone{std::move(impl)};
}

TimeZone TimeZone::utc() {
  auto impl = std::make_shared<Impl>();
  impl->name = "UTC";
  impl->zone = cctz::utc_time_zone();
  return TimeZone{std::move(impl)};
}

std::string const& TimeZone::name() const {
  return impl_->name;
}

seconds TimeZone::offset_at(sys_seconds time) const {
  return seconds{impl_->zone.lookup(time).offset};
}

std::optional<TimeZone::Change> TimeZone::next_change(sys_seconds time) const {
  cctz::time_zone::civil_transition transition;
  if (!impl_->zone.next_transition(time, &transition)) return std::nullopt;
  // `from` is what the clock would have shown, `to` what it shows at that moment.
  auto const earlier = impl_->zone.lookup(transition.to);
  sys_seconds at = earlier.trans;
  if (earlier.kind == cctz::time_zone::civil_lookup::UNIQUE) at = earlier.pre;
  seconds const after = offset_at(at);
  seconds const before = offset_at(at - seconds{1});
  return Change{at, before, after};
}

bool TimeZone::repeats(sys_seconds time) const {
  auto const shown = impl_->zone.lookup(impl_->zone.lookup(time).cs);
  return shown.kind == cctz::time_zone::civil_lookup::REPEATED && time >= shown.trans;
}

std::string TimeZone::format(sys_seconds time) const {
  return cctz::format("%Y-%m-%dT%H:%M:%S%Ez", time, impl_->zone);
}

}  // namespace drover::schedule
