// Workflows: what a step costs by the length of its run. Run directories are made without syncs, as
// they are on disk; `engine` is the replay alone, in memory; `iterate` and `post` are the commands,
// each a process of its own; `run-…` is a resident process whose steps are all durable.
#include "workflow/replay.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "benches.h"
#include "os/files.h"
#include "os/process.h"
#include "workflow/create_run.h"
#include "workflow/execution.h"
#include "workflow/iterate.h"
#include "workflow/js_text.h"
#include "workflow/ulid.h"

namespace drover::bench {

namespace {

namespace fs = std::filesystem;
using workflow::Generation;
using SteadyClock = std::chrono::steady_clock;

constexpr auto const* kProcess =
    R"(const step = { id: 'step', build: (args) => ({ kind: 'node', title: 's' + args.i }) };
export async function process(inputs, ctx) {
  let sum = 0;
  for (let i = 0; i < inputs.n; i++) sum += (await ctx.task(step, { i })).v;
  return { sum };
}
)";

double ms_since(SteadyClock::time_point start) {
  return std::chrono::duration<double, std::milli>(SteadyClock::now() - start).count();
}

class Scene {
 public:
  explicit Scene(std::string folder) : folder_(std::move(folder)) {}
  ~Scene() { (void)os::remove_tree(folder_); }
  Scene(Scene const&) = delete;
  Scene& operator=(Scene const&) = delete;

  Status prepare() {
    DROVER_TRY(os::make_folders(folder_ + "/runs"));
    return os::write_file_atomic(folder_ + "/many.mjs", kProcess);
  }
  [[nodiscard]] std::string runs() const { return folder_ + "/runs"; }

  // A run that asks for one effect more than `resolved`.
  Result<workflow::RunFolder> make_run(std::string id, std::int64_t effects,
                                       Generation generation) {
    workflow::NewRun wanted;
    wanted.runs_root = runs();
    wanted.run_id = std::move(id);
    wanted.process_id = "many";
    wanted.entry = workflow::Entrypoint{folder_ + "/many.mjs", "process"};
    wanted.inputs = json::object{{"n", effects + 1}};
    auto const created = workflow::create_run(wanted, clock_, random_);
    if (!created) return std::unexpected(created.error());
    DROVER_TRY(fill(created->folder, effects, generation));
    return created->folder;
  }

  SystemClock clock_;
  SystemRandom random_;

 private:
  static void put(std::string const& path, std::string const& text) {
    std::ofstream{path, std::ios::binary} << text;
  }

  void put_event(workflow::RunFolder const& run, workflow::EventName& head, std::string_view type,
                 json::object data) {
    head = {head.seq + 1, workflow::next_ulid(clock_.now(), random_, head.ulid)};
    workflow::Event event;
    event.name = head;
    event.type = type;
    event.recorded_at = to_rfc3339(clock_.now());
    event.data = std::move(data);
    put(run.at("journal/" + file_name(head)), print_event(event, workflow::Writer::current));
  }

  // Effects that were asked for and ended, as another tool would have written them.
  Status fill(workflow::RunFolder const& run, std::int64_t effects, Generation generation) {
    auto const journal = workflow::read_journal(run);
    if (!journal) return std::unexpected(journal.error());
    auto head = journal->events.back().name;
    json::value const arguments = json::object{{"i", 0}};
    auto const base = workflow::shaped_step_base("step", "", workflow::shape_hash(&arguments));
    for (std::int64_t i = 0; i < effects; ++i) {
      std::string const step = generation == Generation::counted
                                   ? workflow::counted_step_id(static_cast<std::uint64_t>(i) + 1)
                                   : fmt::format("{}.{}", base, i);
      std::string const key = workflow::invocation_key("many", step, "step");
      std::string const id = workflow::next_ulid(clock_.now(), random_, "");
      fs::create_directories(run.task(id));
      json::value const inputs = json::object{{"i", i}};
      put(run.task(id) + "/task.json",
          workflow::file_text(json::object{{"kind", "node"}, {"inputs", inputs}}));
      put(run.task(id) + "/result.json",
          workflow::file_text(json::object{{"schemaVersion", "2026.01.results-v1"},
                                           {"effectId", id},
                                           {"taskId", "step"},
                                           {"invocationKey", key},
                                           {"status", "ok"},
                                           {"result", json::object{{"v", 1}}},
                                           {"value", json::object{{"v", 1}}}}));
      json::object asked{{"effectId", id},
                         {"invocationKey", key},
                         {"stepId", step},
                         {"taskId", "step"},
                         {"kind", "node"},
                         {"label", fmt::format("s{}", i)},
                         {"taskDefRef", fmt::format("tasks/{}/task.json", id)}};
      if (generation == Generation::shaped)
        asked.emplace("argumentsHash", workflow::arguments_hash(&inputs));
      put_event(run, head, workflow::event_type::kEffectRequested, std::move(asked));
      put_event(run, head, workflow::event_type::kEffectResolved,
                json::object{{"effectId", id},
                             {"status", "ok"},
                             {"resultRef", fmt::format("tasks/{}/result.json", id)}});
    }
    return {};
  }

  std::string folder_;
};

// Wall time of a command that has to succeed.
Result<double> command_ms(std::vector<std::string> const& argv) {
  os::ProcessSpec spec;
  spec.argv = argv;
  for (char** each = environ; *each != nullptr; ++each)
    spec.env.emplace_back(*each);
  auto const start = SteadyClock::now();
  auto process = os::Process::spawn(spec);
  if (!process) return std::unexpected(process.error());
  auto const ended = process->wait(Millis{300'000});
  if (!ended) return std::unexpected(ended.error());
  if (!*ended || !(*ended)->ok())
    return fail(ErrorCode::upstream, "{} {} failed", argv.front(), argv.at(1));
  return ms_since(start);
}

Status measure_engine(std::string const& name, workflow::RunFolder const& run, Report& report) {
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
  return {};
}

Status measure_commands(Scene& scene, std::string const& drover, std::int64_t effects,
                        Report& report) {
  std::string const name = fmt::format("effects-{}", effects);
  auto const run = scene.make_run(name, effects, Generation::shaped);
  if (!run) return std::unexpected(run.error());
  DROVER_TRY(measure_engine(name, *run, report));
  Samples iterate;
  for (int i = report.repetitions(5); i > 0; --i) {
    auto const took = command_ms({drover, "run:iterate", run->path()});
    if (!took) return std::unexpected(took.error());
    iterate.add(*took);
  }
  report.add(name, "iterate", "ms", iterate.median());
  auto const view = workflow::read_run(*run);
  if (!view) return std::unexpected(view.error());
  auto const& last = view->history.effects().back();
  auto const posted = command_ms(
      {drover, "task:post", run->path(), last.id, "--status", "ok", "--value-inline", "{\"v\":1}"});
  if (!posted) return std::unexpected(posted.error());
  report.add(name, "post", "ms", *posted);
  return os::remove_tree(run->path());
}

// The SDK's own iterate, on a run of its kind.
Status measure_sdk(Scene& scene, std::int64_t effects, Report& report) {
  std::string const program = BENCH_CLIENTS "/babysitter";
  if (!os::exists(program)) {
    report.remark("sdk: not installed; npm ci in tests/clients");
    return {};
  }
  auto const run = scene.make_run("sdk", effects, Generation::counted);
  if (!run) return std::unexpected(run.error());
  Samples iterate;
  for (int i = report.repetitions(3); i > 0; --i) {
    auto const took = command_ms({program, "run:iterate", run->path()});
    if (!took) return std::unexpected(took.error());
    iterate.add(*took);
  }
  report.add(fmt::format("sdk-{}", effects), "iterate", "ms", iterate.median());
  return {};
}

// A whole run with one process in memory, each step durable before the next.
Status measure_whole_run(Scene& scene, std::int64_t effects, Report& report) {
  auto const folder = scene.make_run("whole", 0, Generation::shaped);
  if (!folder) return std::unexpected(folder.error());
  DROVER_TRY(folder->write_json("inputs.json", json::object{{"n", effects}}));
  auto run = workflow::OpenRun::open(*folder, "bench", scene.clock_, scene.random_);
  if (!run) return std::unexpected(run.error());
  auto const start = SteadyClock::now();
  auto execution = workflow::Execution::start(*run, {});
  if (!execution) return std::unexpected(execution.error());
  for (;;) {
    auto pass = execution->pass(*run);
    if (!pass) return std::unexpected(pass.error());
    if (pass->rest != workflow::Rest::waiting) {
      auto const concluded = workflow::conclude(*run, *std::move(pass));
      if (!concluded) return std::unexpected(concluded.error());
      break;
    }
    for (auto const& action : pass->actions) {
      workflow::TaskResult result;
      result.value = json::object{{"v", 1}};
      auto const posted = run->post(action.effect_id, std::move(result));
      if (!posted) return std::unexpected(posted.error());
    }
  }
  double const took = ms_since(start);
  std::string const name = fmt::format("run-{}-sequential", effects);
  report.add(name, "whole_run", "ms", took);
  report.add(name, "steps_rate", "1/s", 1000.0 * static_cast<double>(effects) / took);
  double bytes = 0;
  double files = 0;
  for (auto const& entry : fs::recursive_directory_iterator{folder->path()}) {
    if (!entry.is_regular_file()) continue;
    ++files;
    bytes += static_cast<double>(entry.file_size());
  }
  report.add(name, "bytes_per_effect", "B", bytes / static_cast<double>(effects));
  report.add(name, "files_per_effect", "", files / static_cast<double>(effects));
  return {};
}

}  // namespace

Status run_replay(Report& report) {
  auto const programs = os::executable_folder();
  if (!programs) return std::unexpected(programs.error());
  std::string folder = fs::temp_directory_path().string() + "/drover-bench-replay-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return fail_errno("create", folder);
  Scene scene{folder};
  DROVER_TRY(scene.prepare());
  bool const quick = report.wishes().effort == Effort::quick;
  std::string const drover = *programs + "/drover";
  for (std::int64_t const effects : {10, 100, 1000, 5000, 50'000})
    if (!quick || effects <= 100) DROVER_TRY(measure_commands(scene, drover, effects, report));
  if (!quick) DROVER_TRY(measure_sdk(scene, 1000, report));
  return measure_whole_run(scene, quick ? 20 : 1000, report);
}

}  // namespace drover::bench
