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

// KEYS: a unit's `:in` and `:out`. ARGV: the turn, the id of its entry, seconds to live, and
// "taken" when a program has it. Puts the turn on an `:in` that does not begin with it, and empties
// both streams before, unless it is taken. Where the id is not above those before it, another is
// made. Returns 1 when the turn was there.
[[nodiscard]] redis::Script const& offer_turn_script();

// KEYS: a unit's `:out`. ARGV: the entry up to which all is deleted (or nothing), entries at most,
// bytes at most of one, bytes at most of all, seconds to live. Returns the stream's length, and of
// each entry its id, the size of its field `event` (-1: it has none) and the field, which is empty
// where it is too large: what a program wrote is never copied to drover whole before that is known.
[[nodiscard]] redis::Script const& read_unit_script();

}  // namespace drover::broker
