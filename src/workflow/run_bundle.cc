#include "workflow/run_bundle.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

#include "base/digest.h"
#include "base/text.h"
#include "os/files.h"
#include "os/new_file.h"
#include "workflow/js_text.h"
#include "workflow/ulid.h"

namespace drover::workflow {

namespace {

namespace fs = std::filesystem;

// What is made anew from the rest, or belongs to whoever is at it.
bool is_left_out(std::string const& relative) {
  return relative == "run.lock" || relative == "state/state.json" ||
         relative.starts_with("orphaned/") || relative.starts_with("journal.") ||
         relative.find(".tmp-") != std::string::npos;
}

// By their paths in the run directory.
Result<std::map<std::string, std::string>> read_files(RunFolder const& run) {
  std::map<std::string, std::string> files;
  std::size_t bytes = 0;
  std::error_code error;
  fs::recursive_directory_iterator entries{run.path(), error};
  for (; !error && entries != fs::recursive_directory_iterator{}; entries.increment(error)) {
    if (!entries->is_regular_file() || entries->is_symlink()) continue;
    auto relative = entries->path().lexically_relative(run.path()).string();
    if (is_left_out(relative)) continue;
    auto text = os::read_file(entries->path().string(), kBundleBytesMax);
    if (!text) return std::unexpected(text.error());
    bytes += text->size();
    if (bytes > kBundleBytesMax)
      return fail_next(ErrorCode::too_large,
                       fmt::format("the run's files are over {} bytes", kBundleBytesMax),
                       "copy its directory instead");
    files.emplace(std::move(relative), *std::move(text));
  }
  if (error) return std::unexpected(system_error(error.value(), "read the run", run.path()));
  return files;
}

json::object file_value(std::string const& bytes) {
  if (is_utf8(bytes)) return json::object{{"text", bytes}};
  return json::object{{"hex", to_hex(bytes)}};
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t at = 0; at < text.size(); at += 2) {
    unsigned int byte = 0;
    auto const* const end = text.data() + at + 2;
    if (std::from_chars(text.data() + at, end, byte, 16).ptr != end) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

Result<std::string> bytes_of(std::string_view path, json::value const& file) {
  auto const* const object = file.if_object();
  if (object != nullptr && object->contains("text"))
    return std::string{string_or(*object, "text", "")};
  auto bytes = object == nullptr ? std::nullopt : from_hex(string_or(*object, "hex", "-"));
  if (bytes) return *std::move(bytes);
  return fail(ErrorCode::data_corrupt, "{} of the bundle has neither text nor hex",
              printable(path));
}

struct Bundle {
  std::string run_id;
  std::map<std::string, std::string> files;
};

Result<Bundle> parse_bundle(json::value const& value) {
  auto const whole = JsonObject::of(value);
  if (!whole) return std::unexpected(whole.error());
  if (auto const format = string_or(whole->raw(), "format", ""); format != kBundleFormat)
    return fail(ErrorCode::unsupported, "this is no bundle of a run: its format is '{}', not {}",
                printable(format), kBundleFormat);
  Bundle bundle;
  bundle.run_id = string_or(whole->raw(), "runId", "");
  auto const files = whole->object("files");
  if (!files) return std::unexpected(files.error());
  for (auto const& member : files->raw()) {
    auto bytes = bytes_of(member.key(), member.value());
    if (!bytes) return std::unexpected(bytes.error());
    bundle.files.emplace(std::string{member.key()}, *std::move(bytes));
  }
  return bundle;
}

// Under another id, run.json says so; the journal's first entry keeps what it was.
Status rename_in(Bundle& bundle, std::string const& run_id) {
  auto const found = bundle.files.find("run.json");
  if (found == bundle.files.end())
    return fail(ErrorCode::data_corrupt, "the bundle has no run.json");
  auto record = parse_json(found->second);
  if (!record || !record->is_object())
    return fail(ErrorCode::data_corrupt, "the bundle's run.json is no JSON object");
  record->get_object()["runId"] = run_id;
  found->second = file_text(*record);
  bundle.run_id = run_id;
  return {};
}

Status write_files(Bundle const& bundle, RunFolder const& run) {
  for (auto const* const part : {"journal", "tasks", "state", "blobs", "orphaned", "process"})
    DROVER_TRY(os::make_folders(run.at(part)));
  for (auto const& [relative, bytes] : bundle.files) {
    auto const path = run.referenced(relative);
    if (!path) return std::unexpected(path.error());
    DROVER_TRY(run.write_text(relative, bytes));
  }
  return {};
}

json::object attribute(std::string_view key, std::string_view value) {
  return json::object{{"key", key}, {"value", json::object{{"stringValue", value}}}};
}

std::string nanoseconds(std::string const& time) {
  auto const parsed = parse_rfc3339(time);
  return parsed ? fmt::format("{}000000", to_unix_ms(*parsed)) : "0";
}

json::object status_of(bool failed, std::string_view message) {
  constexpr int kOk = 1;
  constexpr int kError = 2;
  json::object status{{"code", failed ? kError : kOk}};
  if (!message.empty()) status.emplace("message", message);
  return status;
}

std::string message_of(json::value const& error) {
  auto const* const object = error.if_object();
  return object == nullptr ? "" : std::string{string_or(*object, "message", "")};
}

json::object effect_span(Effect const& effect, std::string const& trace, std::string const& parent,
                         std::string const& last) {
  bool const failed =
      effect.status == EffectStatus::resolved_error || effect.status == EffectStatus::cancelled;
  json::object span;
  span.emplace("traceId", trace);
  span.emplace("spanId", sha256_hex("effect " + effect.id).substr(0, 16));
  span.emplace("parentSpanId", parent);
  span.emplace("name", effect.label.empty() ? effect.task_id : effect.label);
  span.emplace("kind", 1);
  span.emplace("startTimeUnixNano", nanoseconds(effect.requested_at));
  span.emplace("endTimeUnixNano",
               nanoseconds(effect.resolved_at.empty() ? last : effect.resolved_at));
  span.emplace("attributes",
               json::array{attribute("drover.effect.id", effect.id),
                           attribute("drover.effect.kind", effect.kind),
                           attribute("drover.effect.task", effect.task_id),
                           attribute("drover.effect.step", effect.step_id),
                           attribute("drover.effect.status", to_string(effect.status))});
  // One that is open is neither.
  if (effect.status != EffectStatus::requested)
    span.emplace("status", status_of(failed, effect.status == EffectStatus::cancelled
                                                 ? effect.reason
                                                 : message_of(effect.error)));
  return span;
}

}  // namespace

Result<json::object> bundle_run(RunFolder const& run, Clock const& clock) {
  auto const view = read_run(run);
  if (!view) return std::unexpected(view.error());
  auto const files = read_files(run);
  if (!files) return std::unexpected(files.error());
  json::object listed;
  for (auto const& [path, bytes] : *files)
    listed.emplace(path, file_value(bytes));
  return json::object{{"format", kBundleFormat},
                      {"runId", view->record.run_id},
                      {"exportedAt", to_rfc3339(clock.now())},
                      {"files", std::move(listed)}};
}

Result<ImportedRun> unbundle_run(json::value const& value, std::string const& runs_root,
                                 std::string const& run_id, Clock const& clock, Random& random) {
  auto bundle = parse_bundle(value);
  if (!bundle) return std::unexpected(bundle.error());
  if (!run_id.empty()) DROVER_TRY(rename_in(*bundle, run_id));
  if (!is_plain_name(bundle->run_id))
    return fail(ErrorCode::invalid_argument,
                "a run's id is letters, digits, '.', '_' and '-', and '{}' is none",
                printable(bundle->run_id));
  RunFolder const folder{fmt::format("{}/{}", runs_root, bundle->run_id)};
  RunFolder const unborn{fmt::format("{}/.new-{}", runs_root, next_ulid(clock.now(), random, ""))};
  auto const taken = [&] {
    return fail_next(ErrorCode::conflict,
                     fmt::format("run {} exists already", printable(bundle->run_id)),
                     "give the imported one another id");
  };
  if (os::exists(folder.path())) return taken();
  DROVER_TRY(os::make_folders(runs_root));
  Status written = write_files(*bundle, unborn);
  auto const view = written ? read_run(unborn) : std::unexpected(written.error());
  std::error_code error;
  if (view) fs::rename(unborn.path(), folder.path(), error);
  if (!view || error) {
    DROVER_TRY(os::remove_tree(unborn.path()));
    if (!view) return std::unexpected(view.error());
    if (error == std::errc::directory_not_empty || error == std::errc::file_exists) return taken();
    return std::unexpected(system_error(error.value(), "create the run", folder.path()));
  }
  DROVER_TRY(os::sync_folder(runs_root));
  return ImportedRun{folder, view->history.head().seq};
}

json::object trace_of(RunView const& run) {
  History const& history = run.history;
  std::string const trace = sha256_hex("run " + run.record.run_id).substr(0, 32);
  std::string const root = sha256_hex("root " + run.record.run_id).substr(0, 16);
  std::string const last =
      run.journal.events.empty() ? history.created_at() : run.journal.events.back().recorded_at;
  json::object whole;
  whole.emplace("traceId", trace);
  whole.emplace("spanId", root);
  whole.emplace("name", run.record.process_id);
  whole.emplace("kind", 1);
  whole.emplace("startTimeUnixNano", nanoseconds(history.created_at()));
  whole.emplace("endTimeUnixNano", nanoseconds(last));
  whole.emplace("attributes",
                json::array{attribute("drover.workflow.run", run.record.run_id),
                            attribute("drover.workflow.process", run.record.process_id)});
  if (history.end() != RunEnd::none)
    whole.emplace("status", status_of(history.end() != RunEnd::completed, ""));
  json::array spans;
  spans.push_back(std::move(whole));
  for (auto const& effect : history.effects())
    spans.push_back(effect_span(effect, trace, root, last));
  json::object const resource{{"attributes", json::array{attribute("service.name", "drover")}}};
  json::object const scope{{"scope", json::object{{"name", "drover.workflow"}}},
                           {"spans", std::move(spans)}};
  return json::object{
      {"resourceSpans",
       json::array{json::object{{"resource", resource}, {"scopeSpans", json::array{scope}}}}}};
}

}  // namespace drover::workflow
