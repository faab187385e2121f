#include "workflow/heartbeat.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <boost/json.hpp>

#include "base/text.h"
#include "os/files.h"

namespace drover::workflow {

namespace {

// Whoever drives the run sees for himself whether these live.
bool is_carried_out_here(std::string_view kind) {
  constexpr std::array<std::string_view, 7> kKinds = {"agent", "breakpoint", "child", "node",
                                                      "shell", "signal",     "sleep"};
  return std::ranges::find(kKinds, kind) != kKinds.end();
}

std::string file_of(std::string const& effect_id) {
  return fmt::format("tasks/{}/heartbeat.json", effect_id);
}

}  // namespace

Result<std::optional<Heartbeat>> read_heartbeat(RunFolder const& run,
                                                std::string const& effect_id) {
  auto const file = run.read_json(run.at(file_of(effect_id)));
  if (!file) return std::unexpected(file.error());
  auto const* const said = *file ? (*file)->if_object() : nullptr;
  if (said == nullptr) return std::nullopt;
  auto const at = parse_rfc3339(std::string{string_or(*said, "at", "")});
  if (!at) return std::nullopt;
  Heartbeat heartbeat;
  heartbeat.at = *at;
  if (auto const* const details = said->if_contains("details")) heartbeat.details = *details;
  return heartbeat;
}

Status write_heartbeat(RunFolder const& run, std::string const& effect_id,
                       Heartbeat const& heartbeat) {
  if (!is_plain_name(effect_id) || !os::exists(run.task(effect_id) + "/task.json"))
    return fail(ErrorCode::not_found, "there is no effect {} in the run", printable(effect_id));
  if (os::exists(run.task(effect_id) + "/result.json"))
    return fail_next(ErrorCode::conflict, fmt::format("the effect {} has ended", effect_id),
                     "nobody waits for it any more: stop");
  if (json::serialize(heartbeat.details).size() > kHeartbeatBytesMax)
    return fail(ErrorCode::too_large, "the details of a heartbeat are over {} bytes",
                kHeartbeatBytesMax);
  json::object file{{"at", to_rfc3339(heartbeat.at)}, {"details", heartbeat.details}};
  return run.write_json(file_of(effect_id), std::move(file));
}

std::optional<Millis> heartbeat_timeout(json::value const& definition) {
  auto const* const whole = definition.if_object();
  auto const ms = whole == nullptr ? 0 : integer_or(*whole, "heartbeatTimeoutMs", 0);
  if (ms <= 0) return std::nullopt;
  return Millis{ms};
}

std::optional<WallTime> silent_at(Effect const& effect, json::value const& definition,
                                  std::optional<Heartbeat> const& last) {
  auto const timeout = heartbeat_timeout(definition);
  if (!timeout) return std::nullopt;
  if (last) return last->at + *timeout;
  if (is_carried_out_here(effect.kind)) return std::nullopt;
  auto const asked_at = parse_rfc3339(effect.requested_at);
  if (!asked_at) return std::nullopt;
  return *asked_at + *timeout;
}

TaskResult silent_result(Millis timeout, json::value details) {
  TaskResult result;
  result.outcome = Outcome::error;
  result.shell_error = ShellError::thrown;
  result.error =
      json::object{{"name", kHeartbeatErrorName},
                   {"message", fmt::format("nothing was heard of it for {} ms", timeout.count())},
                   {"data", json::object{{"heartbeat", std::move(details)}}}};
  return result;
}

}  // namespace drover::workflow
