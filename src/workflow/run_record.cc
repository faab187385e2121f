#include "workflow/run_record.h"

#include <fmt/format.h>

#include <array>

#include "base/digest.h"
#include "base/text.h"

namespace drover::workflow {

std::string Entrypoint::text() const {
  return export_name.empty() ? import_path : fmt::format("{}#{}", import_path, export_name);
}

json::object Entrypoint::object() const {
  json::object entry;
  entry.emplace("importPath", import_path);
  if (!export_name.empty()) entry.emplace("exportName", export_name);
  return entry;
}

Entrypoint Entrypoint::of(json::object const& object) {
  return {std::string{string_or(object, "importPath", "")},
          std::string{string_or(object, "exportName", "")}};
}

Result<Entrypoint> parse_entrypoint(std::string_view text) {
  auto const hash = text.rfind('#');
  Entrypoint entry{std::string{text.substr(0, hash)}, "process"};
  if (hash != std::string_view::npos && hash + 1 < text.size())
    entry.export_name = text.substr(hash + 1);
  if (entry.import_path.empty())
    return fail(ErrorCode::invalid_argument, "an entry is FILE or FILE#EXPORT, and '{}' is none",
                printable(text));
  return entry;
}

bool RunRecord::non_interactive() const {
  auto const* const member = raw.if_contains("nonInteractive");
  return member != nullptr && member->is_bool() && member->get_bool();
}

std::string RunRecord::completion_proof() const {
  auto const stored = string_or(raw, "completionProof", "");
  if (!stored.empty()) return std::string{stored};
  return sha256_hex(fmt::format("{}:babysitter-completion-secret-v1", run_id));
}

Result<RunRecord> parse_run_record(json::value value) {
  auto const object = JsonObject::of(value);
  if (!object) return fail(ErrorCode::data_corrupt, "run.json: {}", object.error().message);
  auto const layout = string_or(object->raw(), "layoutVersion", "");
  if (layout != kLayoutVersion)
    return fail(ErrorCode::unsupported, "the run's layout is '{}', and drover knows '{}'",
                printable(layout), kLayoutVersion);
  RunRecord record;
  auto run_id = object->string("runId");
  auto process_id = object->string("processId");
  auto const entrypoint = object->object("entrypoint");
  if (!run_id) return fail(ErrorCode::data_corrupt, "run.json: {}", run_id.error().message);
  if (!process_id) return fail(ErrorCode::data_corrupt, "run.json: {}", process_id.error().message);
  if (!entrypoint) return fail(ErrorCode::data_corrupt, "run.json: {}", entrypoint.error().message);
  record.run_id = *std::move(run_id);
  record.process_id = *std::move(process_id);
  record.entrypoint = Entrypoint::of(entrypoint->raw());
  if (record.entrypoint.import_path.empty())
    record.entrypoint.import_path = string_or(object->raw(), "processPath", "");
  record.harness = string_or(object->raw(), "harness", "");
  record.code_hash = string_or(object->raw(), "processCodeHash", "");
  record.writer = object->find("sdkVersion") != nullptr ? Writer::current : Writer::older;
  record.raw = std::move(value.get_object());
  return record;
}

Result<RunRecord> read_run_record(RunFolder const& run) {
  auto value = run.read_json(run.at("run.json"));
  if (!value) return std::unexpected(value.error());
  if (!*value)
    return fail(ErrorCode::not_found, "there is no run in {}: it has no run.json",
                printable(run.path(), 400));
  return parse_run_record(**std::move(value));
}

std::string new_completion_proof(Random& random) {
  std::array<std::byte, 16> bytes{};
  random.fill(bytes);
  return to_hex({reinterpret_cast<char const*>(bytes.data()), bytes.size()});
}

}  // namespace drover::workflow
