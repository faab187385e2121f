#include "driver/child_carrier.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "base/digest.h"
#include "base/log.h"
#include "driver/command_results.h"
#include "workflow/create_run.h"

namespace drover::driver {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kChildName = "ChildWorkflowError";

// Where a run's process and its commands are.
Result<json::object> places_of(workflow::RunFolder const& folder) {
  auto const record = read_run_record(folder);
  if (!record) return std::unexpected(record.error());
  return json::object{{"entry", json::string{entry_file(folder, record->entrypoint)}},
                      {"cwd", json::string{string_or(record->raw, "cwd", "")}}};
}

Result<json::object> output_of(workflow::RunFolder const& folder) {
  auto output = folder.read_json(folder.at("state/output.json"));
  if (!output) return std::unexpected(output.error());
  return json::object{{"output", output->value_or(json::value{})}};
}

workflow::TaskResult failed(WorkflowRecord const& child) {
  auto result = thrown_result(
      kChildName, fmt::format("the workflow {} is {}{}{}", child.id, to_string(child.state),
                              child.reason.empty() ? "" : ": ", child.reason));
  result.error.as_object()["data"] =
      json::object{{"workflow", json::string{child.id}}, {"state", to_string(child.state)}};
  return result;
}

// Of a run that went on as another one.
std::string continued_as(json::value const& output) {
  auto const* const object = output.if_object();
  if (object == nullptr || object->size() != 1) return "";
  return std::string{string_or(*object, "continuedAs", "")};
}

}  // namespace

std::string child_of(std::string_view workflow, std::string_view effect) {
  // A name of a folder, also with what a continued run's gets behind it.
  constexpr std::size_t kBytesMax = 150;
  constexpr std::size_t kDigits = 26;
  auto id = fmt::format("{}.{}", workflow, effect);
  if (id.size() > kBytesMax) id = "child-" + sha256_hex(id).substr(0, kDigits);
  return id;
}

Task<void> ChildCarrier::join() {
  co_await tasks_.join();
}

Task<Result<NewWorkflow>> ChildCarrier::wanted(EffectJob job) {
  auto const whole = JsonObject::of(job.definition);
  if (!whole) co_return std::unexpected(whole.error());
  auto const child = whole->object("child");
  if (!child) co_return std::unexpected(child.error());
  auto const entry = child->string("entry");
  if (!entry) co_return std::unexpected(entry.error());
  auto const process = child->optional_string("processId");
  if (!process) co_return std::unexpected(process.error());
  auto const places = co_await driver_.read(job.workflow.id, places_of);
  if (!places) co_return std::unexpected(places.error());
  fs::path const beside = fs::path{string_or(*places, "entry", "")}.parent_path();
  NewWorkflow wanted;
  wanted.id = child_of(job.workflow.id, job.effect.id);
  wanted.entry = (beside / *entry).lexically_normal().string();
  wanted.process_id = process->value_or("");
  if (auto const* const inputs = child->find("inputs")) wanted.inputs = *inputs;
  wanted.cwd = string_or(*places, "cwd", "");
  wanted.agent = job.workflow.agent;
  wanted.parent = job.workflow.id;
  wanted.parent_effect = job.effect.id;
  co_return wanted;
}

Task<std::optional<workflow::TaskResult>> ChildCarrier::carry_out(EffectJob job) {
  auto made = co_await wanted(std::move(job));
  if (closing_) co_return std::nullopt;
  if (!made) co_return thrown_result(kDefinitionName, made.error().text());
  auto const created = co_await driver_.create(*std::move(made));
  if (closing_) co_return std::nullopt;
  if (!created) co_return thrown_result(kStartName, created.error().text());
  for (std::string id = created->record.id;;) {
    auto const ended = co_await driver_.wait_end(id);
    if (closing_ || (!ended && ended.error().code == ErrorCode::cancelled)) co_return std::nullopt;
    if (!ended) co_return thrown_result(kChildName, ended.error().text());
    if (ended->state != WorkflowState::completed) co_return failed(*ended);
    auto const output = co_await driver_.read(id, output_of);
    if (!output) co_return thrown_result(kChildName, output.error().text());
    json::value value = output->at("output");
    id = continued_as(value);
    if (!id.empty()) continue;
    workflow::TaskResult result;
    result.metadata = json::object{{"workflow", json::string{ended->id}}};
    result.value = std::move(value);
    co_return result;
  }
}

void ChildCarrier::stop(std::string const& workflow, std::string const& effect_id) {
  if (!closing_) tasks_.spawn(cancel(child_of(workflow, effect_id)), "cancel");
}

Task<void> ChildCarrier::cancel(std::string child) {
  auto const cancelled = co_await driver_.cancel(child, "its parent does not wait for it any more");
  if (cancelled || cancelled.error().code == ErrorCode::conflict ||
      cancelled.error().code == ErrorCode::not_found)
    co_return;
  log::warn("child-not-cancelled", {{"workflow", child}, {"reason", cancelled.error().text()}});
}

}  // namespace drover::driver
