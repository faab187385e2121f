#include "workflow/recover_error.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "os/files.h"
#include "workflow/journal_swap.h"
#include "workflow/open_run.h"
#include "workflow/state_cache.h"

namespace drover::workflow {

namespace {

json::value* step_into(json::value& value, std::string_view name) {
  if (auto* const object = value.if_object()) return object->if_contains(name);
  auto* const items = value.if_array();
  std::size_t at = 0;
  auto const [end, error] = std::from_chars(name.data(), name.data() + name.size(), at);
  bool const number = error == std::errc{} && end == name.data() + name.size();
  return items != nullptr && number ? items->if_contains(at) : nullptr;
}

// The result as it was is set aside.
Status mend_result(RunFolder const& run, Effect const& effect, ResultPatch const& patch,
                   std::int64_t ms) {
  auto result = read_result(run, effect);
  if (!result) return std::unexpected(result.error());
  auto* const object = *result && (*result)->is_object() ? &(*result)->get_object() : nullptr;
  if (object == nullptr || !object->contains("result"))
    return fail(ErrorCode::conflict, "effect {} has no result that could be mended",
                printable(effect.id));
  DROVER_TRY(
      run.write_json(fmt::format("orphaned/patched.{}/{}/result.json", ms, effect.id), **result));
  for (auto const* const copy : {"result", "value"})
    if (auto* const value = object->if_contains(copy))
      DROVER_TRY(patch_value(*value, patch.path, patch.value));
  return run.write_json(fmt::format("tasks/{}/result.json", effect.id), **result);
}

// Something came after the error: numbers that name entries must stay.
Result<Recovered> go_on_behind(RunFolder const& run, json::value error, Clock const& clock,
                               Random& random) {
  auto opened = OpenRun::open(run, "run:recover-process-error", clock, random);
  if (!opened) return std::unexpected(opened.error());
  DROVER_TRY(opened->append(NewEvent{event_type::kContinued, json::object{}}));
  DROVER_TRY(opened->save_state("process_error_recovery"));
  return Recovered{std::move(error)};
}

}  // namespace

Result<ResultPatch> parse_patch(std::string_view text) {
  auto const equals = text.find('=');
  auto const colon = text.substr(0, equals).find(':');
  if (equals == std::string_view::npos || colon == std::string_view::npos)
    return fail(ErrorCode::invalid_argument, "a patch is EFFECT:PATH=JSON, and '{}' is none",
                printable(text));
  auto value = parse_json(text.substr(equals + 1));
  if (!value)
    return fail(ErrorCode::invalid_argument, "the value of the patch is no JSON: {}",
                value.error().message);
  return ResultPatch{std::string{text.substr(0, colon)},
                     std::string{text.substr(colon + 1, equals - colon - 1)}, *std::move(value)};
}

Status patch_value(json::value& value, std::string_view path, json::value const& with) {
  if (path.empty()) {
    value = with;
    return {};
  }
  auto const names = split(path, '.');
  json::value* at = &value;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto* const inner = step_into(*at, names[i]);
    if (inner == nullptr && i + 1 == names.size() && at->is_object()) {
      at->get_object()[names[i]] = with;
      return {};
    }
    if (inner == nullptr)
      return fail(ErrorCode::not_found, "the result has no {} to be mended", printable(path));
    at = inner;
  }
  *at = with;
  return {};
}

Result<Recovered> recover_error(RunFolder const& run, std::optional<ResultPatch> const& patch,
                                Clock const& clock, Random& random) {
  if (auto const record = read_run_record(run); !record) return std::unexpected(record.error());
  auto lock = RunLock::acquire(run, "run:recover-process-error", clock);
  if (!lock) return std::unexpected(lock.error());
  auto view = read_run(run);
  if (!view) return std::unexpected(view.error());
  if (view->history.end() != RunEnd::process_error)
    return fail(ErrorCode::conflict, "the process of run {} has not thrown an error",
                view->record.run_id);
  auto const ms = to_unix_ms(clock.now());
  if (patch) {
    auto const* const effect = view->history.by_id(patch->effect_id);
    if (effect == nullptr)
      return fail(ErrorCode::not_found, "there is no effect {} in the run",
                  printable(patch->effect_id));
    DROVER_TRY(mend_result(run, *effect, *patch, ms));
  }
  json::value error;
  if (auto const* const thrown = view->history.end_data().if_contains("error")) error = *thrown;
  auto& events = view->journal.events;
  if (events.back().type != event_type::kProcessError) {
    {
      auto const released = *std::move(lock);
    }
    return go_on_behind(run, std::move(error), clock, random);
  }
  events.pop_back();
  auto const history = History::of(events);
  if (!history) return std::unexpected(history.error());
  std::string const backup = fmt::format("journal.process-error.bak.{}", ms);
  DROVER_TRY(replace_journal(run, events, view->record.writer, backup));
  DROVER_TRY(run.write_json(
      "state/state.json",
      state_of(*history, view->record.writer, to_rfc3339(clock.now()), "process_error_recovery")));
  return Recovered{std::move(error), run.at(backup)};
}

}  // namespace drover::workflow
