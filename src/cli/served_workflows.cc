#include "cli/served_workflows.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/text.h"
#include "cli/workflow_places.h"
#include "os/files.h"
#include "workflow/run_folder.h"
#include "workflow/run_record.h"

namespace drover::cli {

namespace {

namespace fs = std::filesystem;

Status check_id(std::string const& id) {
  if (workflow::is_plain_name(id)) return {};
  return fail(ErrorCode::invalid_argument, "'{}' is no id of a workflow", printable(id, 80));
}

// What the workflow's agent effects are where they do not say: JSON, or @FILE.
Result<json::object> agent_of(std::string const& text, std::string const& folder) {
  if (text.empty()) return json::object{};
  Result<std::string> said = text;
  if (text.starts_with('@')) said = read_text_argument(text.substr(1), folder);
  if (!said) return std::unexpected(said.error());
  auto value = parse_json(*said);
  if (!value || !value->is_object())
    return fail(ErrorCode::invalid_argument, "--agent is no JSON object: {}",
                value ? "it is another value" : value.error().message);
  return std::move(value->get_object());
}

Result<json::object> body_of(Context const& context, WorkflowCommand const& command) {
  auto const places = runs_places(context, command.runs_dir);
  auto agent = agent_of(command.agent, places.cwd);
  if (!agent) return std::unexpected(agent.error());
  json::object body{{"agent", *std::move(agent)}};
  if (command.entry.empty()) {
    auto const found = find_run_folder(context, command.run, places);
    if (!found) return std::unexpected(found.error());
    body["folder"] = json::string{found->path()};
    return body;
  }
  auto entry = workflow::parse_entrypoint(command.entry);
  if (!entry) return std::unexpected(entry.error());
  entry->import_path = (fs::path{places.cwd} / entry->import_path).lexically_normal().string();
  body["entry"] = json::string{entry->text()};
  body["cwd"] = json::string{places.cwd};
  if (!command.run.empty()) body["id"] = json::string{command.run};
  if (!command.process_id.empty()) body["process"] = json::string{command.process_id};
  if (command.inputs.empty()) return body;
  auto inputs = read_json_argument(command.inputs, places.cwd);
  if (!inputs) return std::unexpected(inputs.error());
  if (*inputs) body["inputs"] = **std::move(inputs);
  return body;
}

bool is_absent(Error const& error) {
  return error.code == ErrorCode::unavailable || error.code == ErrorCode::not_found;
}

// As the server has it; empty: it has none of that id, or there is no server.
Result<json::object> driven_workflow(Context const& context, std::string const& id) {
  if (!workflow::is_plain_name(id)) return json::object{};
  auto client = connect(context);
  auto found = client ? client->get(fmt::format("/workflows/{}", id))
                      : Result<json::object>{std::unexpected(client.error())};
  if (!found && is_absent(found.error())) return json::object{};
  return found;
}

}  // namespace

Result<json::object> start_workflow(Context const& context, WorkflowCommand const& command) {
  if (command.entry.empty() && command.run.empty())
    return fail(ErrorCode::invalid_argument,
                "workflow start takes --entry, for a new run, or a run that there is");
  auto const body = body_of(context, command);
  if (!body) return std::unexpected(body.error());
  auto client = connect_or_start(context);
  if (!client) return std::unexpected(client.error());
  return client->post("/workflows", *body);
}

Result<json::object> stop_workflow(Context const& context, WorkflowCommand const& command) {
  DROVER_TRY(check_id(command.run));
  auto client = connect(context);
  if (!client) return std::unexpected(client.error());
  return client->post(fmt::format("/workflows/{}/cancel", command.run),
                      json::object{{"reason", json::string{command.reason}}});
}

Result<json::array> driven_workflows(Context const& context) {
  json::array all;
  auto client = connect(context);
  if (!client) {
    if (is_absent(client.error())) return all;
    return std::unexpected(client.error());
  }
  for (std::string before;;) {
    auto const page = client->get(fmt::format("/workflows?limit=200&before={}", before));
    if (!page) return std::unexpected(page.error());
    for (auto const& each : page->at("workflows").as_array())
      all.push_back(each);
    before = string_or(*page, "next", "");
    if (before.empty()) return all;
  }
}

Result<workflow::RunFolder> find_run_folder(Context const& context, std::string const& run,
                                            workflow::RunsPlaces const& places) {
  auto found = find_run(run, places);
  if (found) return std::move(found->folder);
  if (found.error().code != ErrorCode::not_found) return std::unexpected(found.error());
  auto const driven = driven_workflow(context, run);
  if (!driven) return std::unexpected(driven.error());
  if (driven->empty()) return std::unexpected(found.error());
  return workflow::RunFolder{std::string{string_or(*driven, "folder", "")}};
}

Result<bool> goes_on(Context const& context, workflow::RunFolder const& folder) {
  auto const driven = driven_workflow(context, folder.name());
  if (!driven) return std::unexpected(driven.error());
  std::error_code none;
  if (!fs::equivalent(std::string{string_or(*driven, "folder", "")}, folder.path(), none))
    return false;
  auto const state = string_or(*driven, "state", "");
  if (state == "running" || state == "blocked") return true;
  auto client = connect(context);
  if (!client) return std::unexpected(client.error());
  auto const taken_up =
      client->post("/workflows", json::object{{"folder", json::string{folder.path()}}});
  if (!taken_up) return std::unexpected(taken_up.error());
  return true;
}

}  // namespace drover::cli
