#include "runtime/engine_probe.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "runtime/docker_engine.h"

namespace drover::runtime {

namespace {

using sandbox::Layer;
using sandbox::LayerState;

constexpr std::string_view kNoEngineFix =
    "nothing, if no agent is to run in containers; else install docker.io (or podman, and start "
    "its "
    "socket), or set DROVER_DOCKER_HOST";
constexpr std::string_view kGroupsFix =
    "give the engine's host the {} controller of control groups (kernel parameters "
    "cgroup_enable=memory swapaccount=1 for memory)";

Layer limit_layer(std::string_view name, std::string_view controller, bool enforced) {
  Layer layer;
  layer.name = fmt::format("container {}", name);
  layer.state = enforced ? LayerState::enforced : LayerState::missing;
  layer.how = enforced ? "by the engine, with control groups"
                       : "the engine cannot enforce it: asked for it is refused, by default it is "
                         "left out";
  if (!enforced) layer.fix = fmt::format(kGroupsFix, controller);
  return layer;
}

Layer ahead_layer(bool root) {
  Layer layer;
  layer.name = "containers ahead";
  layer.state = root ? LayerState::enforced : LayerState::missing;
  layer.how = root ? "root can mount a run's workspaces into a container that waits (warm)"
                   : "only root can mount a run's workspaces into a container that waits (warm)";
  if (!root) layer.fix = "run drover as root, or leave warm out of agents";
  return layer;
}

}  // namespace

EngineExamination examine_engine(EngineQuestion const& question, Result<EngineFacts> const& facts) {
  EngineExamination examination;
  Layer engine;
  engine.name = "containers";
  if (!facts) {
    examination.verdict = std::unexpected(facts.error());
    engine.how = facts.error().message;
    engine.fix = facts.error().code == ErrorCode::unavailable ? std::string{kNoEngineFix}
                                                              : facts.error().next;
    examination.layers.push_back(std::move(engine));
    return examination;
  }
  engine.state = LayerState::enforced;
  engine.how = fmt::format(
      "the engine {} at {}, by {}: no network, no capability, read-only image, drover's system "
      "call "
      "filter",
      facts->version, question.address.text,
      question.oci_runtime.empty() ? "its usual runtime" : question.oci_runtime);
  examination.layers.push_back(std::move(engine));
  examination.layers.push_back(limit_layer("memory", "memory", facts->memory_limit));
  examination.layers.push_back(limit_layer("swap", "memory", facts->swap_limit));
  examination.layers.push_back(limit_layer("processes", "pids", facts->pids_limit));
  examination.layers.push_back(limit_layer("cpu", "cpu", facts->cpu_limit));
  examination.layers.push_back(ahead_layer(question.root));
  return examination;
}

EngineExamination examine_engine(EngineQuestion const& question) {
  boost::asio::io_context io;
  DockerEngine engine{io, question.address};
  std::optional<Result<EngineFacts>> facts;
  boost::asio::co_spawn(io, engine.facts(question.oci_runtime),
                        [&](std::exception_ptr const& thrown, Result<EngineFacts> said) {
                          if (thrown) std::rethrow_exception(thrown);
                          facts = std::move(said);
                        });
  while (!facts)
    io.run_one();
  engine.close();
  return examine_engine(question, *facts);
}

}  // namespace drover::runtime
