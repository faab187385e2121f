#include "runner/runner.h"

#include "base/text.h"

namespace drover::runner {

namespace {

class NativeRunner final : public Runner {
 public:
  NativeRunner(agent::LoopOptions options, agent::Tools tools, agent::Transcript transcript,
               agent::Loop::Ports ports)
      : loop_(std::move(options), std::move(tools), std::move(transcript), ports) {}
  agent::TurnOutcome run_turn(agent::TurnRequest const& request) override {
    return loop_.run_turn(request);
  }

 private:
  agent::Loop loop_;
};

Result<std::unique_ptr<Runner>> make_native(RunnerOptions options, agent::Loop::Ports ports) {
  auto tools = agent::make_tools(options.tools);
  if (!tools) return std::unexpected(tools.error());
  for (auto& tool : options.more_tools)
    tools->push_back(std::move(tool));
  auto transcript = agent::Transcript::open({options.session_dir, options.session}, *ports.clock);
  if (!transcript) return std::unexpected(transcript.error());
  agent::LoopOptions loop;
  loop.system = std::move(options.system);
  loop.model = std::move(options.model);
  loop.cwd = std::move(options.cwd);
  loop.session = std::move(options.session);
  loop.tokens_max = options.tokens_max;
  return std::make_unique<NativeRunner>(std::move(loop), *std::move(tools), *std::move(transcript),
                                        ports);
}

}  // namespace

Result<std::unique_ptr<Runner>> make_runner(RunnerOptions options, agent::Loop::Ports ports) {
  if (options.runner == "native") return make_native(std::move(options), ports);
  return fail(ErrorCode::unsupported, "this unit has no runner '{}'; it has: native",
              printable(options.runner));
}

}  // namespace drover::runner
