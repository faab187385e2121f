#pragma once
// Random processes: a plan is a tree of steps, which one process file interprets.
#include "base/json.h"
#include "base/random.h"

namespace drover::harness {

extern char const* const kPlanInterpreter;

// Whether steps may draw times and random numbers, which are others in another run.
enum class Values : std::uint8_t { none, drawn };

[[nodiscard]] json::object random_step(Random& random, int depth, Values values);

}  // namespace drover::harness
