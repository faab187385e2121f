#pragma once
// What the broker has Redis do in one step.
#include "redis/script.h"

namespace drover::broker {

// KEYS: the four streams of each lane, critical first. ARGV: group, consumer, how many, and how
// many this consumer has taken before. Returns {stream, {id, fields}} of each.
//
// The order is that of the levels, but of any 16 offers that a consumer takes, four look first at
// high, two of those four at normal, and one of those two at low; so each level gets on while
// higher ones have work. Streams of one level take turns.
[[nodiscard]] redis::Script const& take_script();

// KEYS: the stream. ARGV: group, id. An entry that was delivered goes back to the stream's end for
// whoever is next. Returns its new id, or nil when it was gone.
[[nodiscard]] redis::Script const& hand_back_script();

// KEYS: the run's stream, and optionally one more that gets the same. ARGV: the number behind which
// the events follow, the most entries to keep, seconds to live, then number and event of each.
// Returns the number of the last event that the stream has; nothing was written when that is below
// the first argument. An event's number is its entry's id, so no event is there twice.
[[nodiscard]] redis::Script const& append_script();

}  // namespace drover::broker
