#include "cli/commands/workflow_copies.h"

#include <fmt/format.h>

#include "base/text.h"
#include "cli/exit_codes.h"
#include "cli/served_workflows.h"
#include "cli/workflow_places.h"
#include "os/files.h"
#include "workflow/js_text.h"
#include "workflow/rewind.h"
#include "workflow/run_bundle.h"
#include "workflow/views.h"

namespace drover::cli {

namespace {

class Copies {
 public:
  Copies(Context const& context, WorkflowCommand const& command)
      : context_(context), command_(command), places_(runs_places(context, command.runs_dir)) {}

  Result<int> fork();
  Result<int> rewind();
  Result<int> export_run();
  Result<int> import_run();

 private:
  [[nodiscard]] bool json() const { return command_.format == Format::json; }
  void print(json::value const& value) { context_.screen.print(workflow::file_text(value)); }
  void say(std::string const& line) { context_.screen.print(terminal_safe(line) + "\n"); }
  [[nodiscard]] Result<workflow::RunFolder> found() const {
    return find_run_folder(context_, command_.run, places_);
  }
  [[nodiscard]] Result<json::value> exported(workflow::RunFolder const& folder) const;

  Context const& context_;
  WorkflowCommand const& command_;
  workflow::RunsPlaces places_;
};

Result<int> Copies::fork() {
  auto const folder = found();
  if (!folder) return std::unexpected(folder.error());
  auto const forked =
      workflow::fork_run(*folder, {command_.point, command_.name}, context_.clock, context_.random);
  if (!forked) return std::unexpected(forked.error());
  if (json())
    print(json::object{{"runId", forked->record.run_id},
                       {"runDir", forked->folder.path()},
                       {"forkedFrom", folder->path()},
                       {"entriesKept", forked->kept},
                       {"entriesLeftOut", forked->left_out}});
  else
    say(forked->folder.path());
  return kExitOk;
}

Result<int> Copies::rewind() {
  auto const folder = found();
  if (!folder) return std::unexpected(folder.error());
  auto const rewound =
      workflow::rewind_run(*folder, command_.point, context_.clock, context_.random);
  if (!rewound) return std::unexpected(rewound.error());
  Result<bool> driven = false;
  if (!rewound->backup.empty()) driven = goes_on(context_, *folder);
  if (!driven)
    context_.screen.note(fmt::format(
        "drover: the run is rewound, and no server goes on with it: {}", driven.error().text()));
  if (json())
    print(json::object{
        {"runDir", folder->path()},
        {"entriesKept", rewound->kept},
        {"entriesLeftOut", rewound->left_out},
        {"backupDir", rewound->backup.empty() ? json::value{} : json::value(rewound->backup)},
        {"driven", driven.value_or(false)}});
  else if (rewound->backup.empty())
    say("there is nothing behind that");
  else
    say(fmt::format("{} entries left out; the old journal is {}{}", rewound->left_out,
                    rewound->backup,
                    driven.value_or(false) ? "; the server goes on from there" : ""));
  return kExitOk;
}

Result<json::value> Copies::exported(workflow::RunFolder const& folder) const {
  if (command_.type.empty() || command_.type == "bundle") {
    auto bundle = workflow::bundle_run(folder, context_.clock);
    if (!bundle) return std::unexpected(bundle.error());
    return json::value(*std::move(bundle));
  }
  auto const run = workflow::read_run(folder);
  if (!run) return std::unexpected(run.error());
  if (command_.type == "trace") return json::value(workflow::trace_of(*run));
  json::array events;
  for (auto const& event : run->journal.events)
    events.push_back(workflow::event_view(event));
  json::object whole = workflow::run_view(folder, run);
  whole.emplace("events", std::move(events));
  return json::value(std::move(whole));
}

Result<int> Copies::export_run() {
  auto const folder = found();
  if (!folder) return std::unexpected(folder.error());
  auto const value = exported(*folder);
  if (!value) return std::unexpected(value.error());
  if (command_.file.empty()) {
    print(*value);
    return kExitOk;
  }
  DROVER_TRY(os::write_file_atomic(command_.file, workflow::file_text(*value)));
  if (json()) print(json::object{{"runDir", folder->path()}, {"file", command_.file}});
  return kExitOk;
}

Result<int> Copies::import_run() {
  auto const value = read_json_argument(command_.file, places_.cwd);
  if (!value) return std::unexpected(value.error());
  auto const imported = workflow::unbundle_run(value->value_or(json::value{}), runs_root(places_),
                                               command_.name, context_.clock, context_.random);
  if (!imported) return std::unexpected(imported.error());
  if (json())
    print(json::object{{"runId", imported->folder.name()},
                       {"runDir", imported->folder.path()},
                       {"entries", imported->entries}});
  else
    say(imported->folder.path());
  return kExitOk;
}

}  // namespace

Result<int> copy_workflow(Context const& context, WorkflowCommand const& command) {
  Copies copies{context, command};
  switch (command.act) {
    case WorkflowAct::fork:
      return copies.fork();
    case WorkflowAct::rewind:
      return copies.rewind();
    case WorkflowAct::export_run:
      return copies.export_run();
    default:
      return copies.import_run();
  }
}

}  // namespace drover::cli
