// Workflows: what a step costs by the length of its run, beside the SDK from npm. `engine` is the
// replay alone, in memory; `iterate` and `post` are the commands, each a process of its own; `step`
// is one step of a process that stays in memory, and so are the steps of `run-…`.
//
// Both sides are durable alike: task.json, result.json and each entry of the journal are synced
// with their folders before a step has ended. The SDK syncs state.json at each step too, which can
// be made anew from the journal; drover makes it when a run rests or ends.
#include "workflow/replay.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <map>

#include "base/text.h"
#include "benches.h"
#include "os/files.h"
#include "os/process.h"
#include "replay_scene.h"
#include "workflow/execution.h"
#include "workflow/iterate.h"

namespace drover::bench {

namespace {

namespace fs = std::filesystem;
using workflow::Generation;
using SteadyClock = std::chrono::steady_clock;

// The SDK takes longer by the step; a whole run of it would take half an hour.
constexpr auto const* kSdkRunMs = "60000";
constexpr std::int64_t kSteps = 20;
constexpr auto const* kSdk = BENCH_CLIENTS "/../@a5c-ai/babysitter-sdk";

double ms_since(SteadyClock::time_point start) {
  return std::chrono::duration<double, std::milli>(SteadyClock::now() - start).count();
}

os::ProcessSpec spec_of(std::vector<std::string> const& argv) {
  os::ProcessSpec spec;
  spec.argv = argv;
  for (char** each = environ; *each != nullptr; ++each)
    spec.env.emplace_back(*each);
  return spec;
}

// Wall time of a command that has to succeed.
Result<double> command_ms(std::vector<std::string> const& argv) {
  auto const start = SteadyClock::now();
  auto process = os::Process::spawn(spec_of(argv));
  if (!process) return std::unexpected(process.error());
  auto const ended = process->wait(Millis{600'000});
  if (!ended) return std::unexpected(ended.error());
  if (!*ended || !(*ended)->ok())
    return fail(ErrorCode::upstream, "{} {} failed", argv.front(), argv.at(1));
  return ms_since(start);
}

// The median of the replay, in ms.
Result<double> measure_engine(std::string const& name, workflow::RunFolder const& run,
                              Report& report) {
  Samples load;
  Samples engine;
  for (int i = report.repetitions(5); i > 0; --i) {
    auto start = SteadyClock::now();
    auto const journal = workflow::read_journal(run);
    if (!journal) return std::unexpected(journal.error());
    load.add(ms_since(start));
    start = SteadyClock::now();
    auto const history = workflow::History::of(journal->events);
    if (!history) return std::unexpected(history.error());
    workflow::Replay replay{"many", Generation::shaped, history->effects().size()};
    json::value arguments = json::object{{"i", 0}};
    std::string const shape = workflow::shape_hash(&arguments);
    for (std::size_t n = 0; n < history->effects().size(); ++n) {
      workflow::Call call;
      call.task_id = "step";
      call.shape = shape;
      call.arguments_hash = history->effects()[n].arguments_hash;
      auto const answer = replay.call(*history, call);
      if (!answer) return std::unexpected(answer.error());
      if (answer->effect == nullptr) return fail(ErrorCode::internal, "an effect is not found");
    }
    engine.add(ms_since(start));
  }
  report.add(name, "load", "ms", load.median());
  report.add(name, "engine", "ms", engine.median());
  return engine.median();
}

// The commands, which drover and the SDK have by the same names. Repetitions of an iterate change
// nothing after the first: the effect that it asks for stays open.
struct CommandTimes {
  double iterate = 0;
  double post = 0;
};
Result<CommandTimes> measure_commands(std::string const& name, std::string const& program,
                                      workflow::RunFolder const& run, int repetitions,
                                      Report& report) {
  Samples iterate;
  for (int i = repetitions; i > 0; --i) {
    auto const took = command_ms({program, "run:iterate", run.path()});
    if (!took) return std::unexpected(took.error());
    iterate.add(*took);
  }
  auto const view = workflow::read_run(run);
  if (!view) return std::unexpected(view.error());
  auto const& last = view->history.effects().back();
  auto const posted = command_ms(
      {program, "task:post", run.path(), last.id, "--status", "ok", "--value-inline", "{\"v\":1}"});
  if (!posted) return std::unexpected(posted.error());
  report.add(name, "iterate", "ms", iterate.median());
  report.add(name, "post", "ms", *posted);
  return CommandTimes{iterate.median(), *posted};
}

Result<CommandTimes> measure_drover(ReplayScene& scene, std::int64_t effects, double& engine_ms,
                                    Report& report) {
  auto const programs = os::executable_folder();
  if (!programs) return std::unexpected(programs.error());
  std::string const name = fmt::format("effects-{}", effects);
  auto const run = scene.make_run(name, effects, effects + 1, Generation::shaped);
  if (!run) return std::unexpected(run.error());
  auto const engine = measure_engine(name, *run, report);
  if (!engine) return std::unexpected(engine.error());
  engine_ms = *engine;
  auto const times =
      measure_commands(name, *programs + "/drover", *run, report.repetitions(5), report);
  if (!times) return std::unexpected(times.error());
  DROVER_TRY(os::remove_tree(run->path()));
  return times;
}

// A process in memory that stands behind `resolved` effects, for `steps` of them; with its start
// where there are none before.
struct Stayed {
  double ms = 0;
  RunSize size;
};
Result<Stayed> measure_resident(ReplayScene& scene, std::string id, std::int64_t resolved,
                                std::int64_t steps) {
  auto const folder = scene.make_run(std::move(id), resolved, resolved + steps, Generation::shaped);
  if (!folder) return std::unexpected(folder.error());
  auto run = workflow::OpenRun::open(*folder, "bench", scene.clock_, scene.random_);
  if (!run) return std::unexpected(run.error());
  auto start = SteadyClock::now();
  auto execution = workflow::Execution::start(*run, {});
  if (!execution) return std::unexpected(execution.error());
  auto pass = execution->pass(*run);
  if (resolved > 0) start = SteadyClock::now();
  while (pass && pass->rest == workflow::Rest::waiting) {
    for (auto const& action : pass->actions) {
      workflow::TaskResult result;
      result.value = json::object{{"v", 1}};
      auto const posted = run->post(action.effect_id, std::move(result));
      if (!posted) return std::unexpected(posted.error());
    }
    pass = execution->pass(*run);
  }
  if (!pass) return std::unexpected(pass.error());
  auto const concluded = workflow::conclude(*run, *std::move(pass));
  if (!concluded) return std::unexpected(concluded.error());
  return Stayed{ms_since(start), size_of(*folder)};
}

// The same with the SDK, in a Node of its own, for as long as it may take.
struct SdkStayed {
  double ms = 0;
  double steps = 0;
  RunSize size;
};
Result<SdkStayed> measure_sdk_resident(ReplayScene& scene, std::string id, std::int64_t resolved,
                                       std::int64_t steps) {
  auto const run = scene.make_run(std::move(id), resolved, resolved + steps, Generation::counted);
  if (!run) return std::unexpected(run.error());
  std::string const out_file = scene.runs() + "/sdk-out";
  auto const ran = command_ms({"/bin/sh", "-c", "exec \"$@\" > \"$0\"", out_file, "node",
                               BENCH_PEERS "/babysitter.js", kSdk, run->path(), kSdkRunMs});
  if (!ran) return std::unexpected(ran.error());
  auto const text = os::read_file(out_file);
  if (!text) return std::unexpected(text.error());
  auto const said = parse_json(*text);
  if (!said) return std::unexpected(said.error());
  auto const& object = said->as_object();
  return SdkStayed{object.at("ms").to_number<double>(), object.at("steps").to_number<double>(),
                   size_of(*run)};
}

void add_run(std::string const& name, double ms, double steps, RunSize const& size,
             Report& report) {
  report.add(name, "whole_run", "ms", ms);
  report.add(name, "steps", "", steps);
  report.add(name, "steps_rate", "1/s", 1000.0 * steps / ms);
  report.add(name, "bytes_per_effect", "B", size.bytes / steps);
  report.add(name, "files_per_effect", "", size.files / steps);
}

// Runs of that many steps; the SDK's ends when its time is over, and is then the faster for it.
Status measure_whole_runs(ReplayScene& scene, std::int64_t steps, bool with_sdk, Report& report) {
  std::string const name = fmt::format("run-{}-sequential", steps);
  auto const drover = measure_resident(scene, name, 0, steps);
  if (!drover) return std::unexpected(drover.error());
  add_run(name, drover->ms, static_cast<double>(steps), drover->size, report);
  if (!with_sdk) return {};
  auto const sdk = measure_sdk_resident(scene, "sdk-" + name, 0, steps);
  if (!sdk) return std::unexpected(sdk.error());
  add_run("sdk-" + name, sdk->ms, sdk->steps, sdk->size, report);
  report.add(name, "rate_vs_sdk", "",
             (sdk->ms / sdk->steps) / (drover->ms / static_cast<double>(steps)));
  return {};
}

Status measure_steps(ReplayScene& scene, std::int64_t effects, bool with_sdk, Report& report) {
  std::string const name = fmt::format("effects-{}", effects);
  auto const drover = measure_resident(scene, name + "-steps", effects, kSteps);
  if (!drover) return std::unexpected(drover.error());
  double const step = drover->ms / kSteps;
  report.add(name, "step", "ms", step);
  if (!with_sdk) return {};
  auto const sdk = measure_sdk_resident(scene, "sdk-" + name + "-steps", effects, kSteps);
  if (!sdk) return std::unexpected(sdk.error());
  report.add(fmt::format("sdk-{}", effects), "step", "ms", sdk->ms / sdk->steps);
  report.add(name, "step_vs_sdk", "", sdk->ms / sdk->steps / step);
  return {};
}

Status measure_sdk(ReplayScene& scene, std::int64_t effects, CommandTimes const& drover,
                   Report& report) {
  auto const run =
      scene.make_run(fmt::format("sdk-{}", effects), effects, effects + 1, Generation::counted);
  if (!run) return std::unexpected(run.error());
  auto const sdk = measure_commands(fmt::format("sdk-{}", effects), BENCH_CLIENTS "/babysitter",
                                    *run, effects > 1000 ? 1 : report.repetitions(3), report);
  if (!sdk) return std::unexpected(sdk.error());
  std::string const name = fmt::format("effects-{}", effects);
  report.add(name, "iterate_vs_sdk", "", sdk->iterate / drover.iterate);
  report.add(name, "post_vs_sdk", "", sdk->post / drover.post);
  return os::remove_tree(run->path());
}

Status measure(ReplayScene& scene, bool quick, bool with_sdk, Report& report) {
  std::map<std::int64_t, double> engine;
  for (std::int64_t const effects : {10, 100, 1000, 5000, 50'000}) {
    if (quick && effects > 100) break;
    auto const drover = measure_drover(scene, effects, engine[effects], report);
    if (!drover) return std::unexpected(drover.error());
    if (with_sdk) DROVER_TRY(measure_sdk(scene, effects, *drover, report));
    DROVER_TRY(measure_steps(scene, effects, with_sdk && effects <= 1000, report));
  }
  if (!quick) report.add("effects-50000", "engine_growth", "", engine[50'000] / engine[5000]);
  return measure_whole_runs(scene, quick ? 20 : 1000, with_sdk, report);
}

}  // namespace

Status run_replay(Report& report) {
  std::string folder = fs::temp_directory_path().string() + "/drover-bench-replay-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return fail_errno("create", folder);
  ReplayScene scene{folder};
  DROVER_TRY(scene.prepare());
  bool const quick = report.wishes().effort == Effort::quick;
  bool const with_sdk = os::exists(kSdk);
  if (!with_sdk) report.remark("sdk: not installed; npm ci in tests/clients");
  return measure(scene, quick, with_sdk, report);
}

}  // namespace drover::bench
