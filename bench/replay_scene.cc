#include "replay_scene.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "os/files.h"
#include "workflow/create_run.h"
#include "workflow/js_text.h"
#include "workflow/ulid.h"

namespace drover::bench {

namespace {

namespace fs = std::filesystem;
using workflow::Generation;

constexpr auto const* kProcess =
    R"(const step = { id: 'step', build: (args) => ({ kind: 'node', title: 's' + args.i }) };
export async function process(inputs, ctx) {
  let sum = 0;
  for (let i = 0; i < inputs.n; i++) sum += (await ctx.task(step, { i })).v;
  return { sum };
}
)";

void put(std::string const& path, std::string const& text) {
  std::ofstream{path, std::ios::binary} << text;
}

}  // namespace

ReplayScene::~ReplayScene() {
  (void)os::remove_tree(folder_);
}

Status ReplayScene::prepare() {
  DROVER_TRY(os::make_folders(runs()));
  return os::write_file_atomic(entry(), kProcess);
}

Result<workflow::RunFolder> ReplayScene::make_run(std::string id, std::int64_t resolved,
                                                  std::int64_t wanted, Generation generation) {
  workflow::NewRun run;
  run.runs_root = runs();
  run.run_id = std::move(id);
  run.process_id = "many";
  run.entry = workflow::Entrypoint{entry(), "process"};
  run.inputs = json::object{{"n", wanted}};
  auto const created = workflow::create_run(run, clock_, random_);
  if (!created) return std::unexpected(created.error());
  auto const journal = workflow::read_journal(created->folder);
  if (!journal) return std::unexpected(journal.error());
  auto head = journal->events.back().name;
  for (std::int64_t i = 0; i < resolved; ++i)
    put_effect(created->folder, head, i, generation);
  return created->folder;
}

void ReplayScene::put_event(workflow::RunFolder const& run, workflow::EventName& head,
                            std::string_view type, json::object data) {
  head = {head.seq + 1, workflow::next_ulid(clock_.now(), random_, head.ulid)};
  workflow::Event event;
  event.name = head;
  event.type = type;
  event.recorded_at = to_rfc3339(clock_.now());
  event.data = std::move(data);
  put(run.at("journal/" + file_name(head)), print_event(event, workflow::Writer::current));
}

// An effect that was asked for and ended, as another tool would have written it.
void ReplayScene::put_effect(workflow::RunFolder const& run, workflow::EventName& head,
                             std::int64_t i, Generation generation) {
  json::value const inputs = json::object{{"i", i}};
  std::string const step =
      generation == Generation::counted
          ? workflow::counted_step_id(static_cast<std::uint64_t>(i) + 1)
          : fmt::format("{}.{}",
                        workflow::shaped_step_base("step", "", workflow::shape_hash(&inputs)), i);
  std::string const key = workflow::invocation_key("many", step, "step");
  std::string const id = workflow::next_ulid(clock_.now(), random_, "");
  fs::create_directories(run.task(id));
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

RunSize size_of(workflow::RunFolder const& run) {
  RunSize size;
  for (auto const& entry : fs::recursive_directory_iterator{run.path()}) {
    if (!entry.is_regular_file()) continue;
    ++size.files;
    size.bytes += static_cast<double>(entry.file_size());
  }
  return size;
}

}  // namespace drover::bench
