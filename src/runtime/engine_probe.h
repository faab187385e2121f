#pragma once
// What the container engine of this machine can hold, for people and for `drover doctor`.
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/engine_address.h"
#include "runtime/engine_replies.h"
#include "sandbox/probe.h"

namespace drover::runtime {

struct EngineQuestion {
  EngineAddress address{};
  std::string oci_runtime{};  // empty: the engine's default
  bool root = false;          // drover is
};

struct EngineExamination {
  Status verdict{};  // whether units can run in containers; what a run would say
  std::vector<sandbox::Layer> layers{};
};

// `facts`: what the engine said of itself, or why it is none for drover. Pure.
[[nodiscard]] EngineExamination examine_engine(EngineQuestion const& question,
                                               Result<EngineFacts> const& facts);

// Asks it. Blocks; starts nothing.
[[nodiscard]] EngineExamination examine_engine(EngineQuestion const& question);

}  // namespace drover::runtime
