#include "workflow/rewind.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <unordered_set>

#include "base/digest.h"
#include "base/text.h"
#include "os/files.h"
#include "os/new_file.h"
#include "workflow/journal_swap.h"
#include "workflow/open_run.h"
#include "workflow/state_cache.h"
#include "workflow/ulid.h"

namespace drover::workflow {

namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> as_number(std::string_view text) {
  std::uint64_t number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_end(std::string_view type) {
  return type == event_type::kRunCompleted || type == event_type::kRunFailed ||
         type == event_type::kRunHalted || type == event_type::kProcessError;
}

// All of them that could be meant.
std::vector<Effect const*> named(History const& history, std::string_view name) {
  if (auto const* const effect = history.by_id(name)) return {effect};
  std::vector<Effect const*> found;
  for (auto const& effect : history.effects())
    if (effect.step_id == name || effect.label == name) found.push_back(&effect);
  return found;
}

Status copy_if_there(std::string const& from, std::string const& to) {
  if (!os::exists(from)) return {};
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
  if (error) return std::unexpected(system_error(error.value(), "copy", from));
  return {};
}

// Without what says how it ended, where that is left out.
Status copy_task(RunFolder const& from, RunFolder const& to, Effect const& effect) {
  DROVER_TRY(copy_if_there(from.task(effect.id), to.task(effect.id)));
  if (effect.status != EffectStatus::requested) return {};
  std::error_code error;
  fs::remove(to.task(effect.id) + "/result.json", error);
  if (error) return std::unexpected(system_error(error.value(), "remove the result of", effect.id));
  return {};
}

RunRecord forked_record(RunView const& source, ForkWish const& wish, std::uint64_t kept,
                        std::string_view now, Random& random) {
  RunRecord record = source.record;
  record.run_id = wish.run_id;
  record.raw["runId"] = wish.run_id;
  record.raw["createdAt"] = now;
  record.raw["completionProof"] = new_completion_proof(random);
  record.raw["seed"] = seed_of(source.record, source.history);
  record.raw["forkedFrom"] = json::object{{"runId", source.record.run_id}, {"seq", kept}};
  return record;
}

Status fill_fork(RunFolder const& from, RunFolder const& to, RunRecord const& record,
                 std::vector<Event> const& events) {
  for (auto const* const part : {"journal", "tasks", "state", "blobs", "orphaned", "process"})
    DROVER_TRY(os::make_folders(to.at(part)));
  for (auto const* const part : {".gitignore", "inputs.json", "artifacts"})
    DROVER_TRY(copy_if_there(from.at(part), to.at(part)));
  auto const history = History::of(events);
  if (!history) return std::unexpected(history.error());
  for (auto const& effect : history->effects())
    DROVER_TRY(copy_task(from, to, effect));
  for (auto const& event : events)
    DROVER_TRY(os::create_passing_file(fmt::format("{}/{}", to.journal(), file_name(event.name)),
                                       print_event(event, record.writer)));
  DROVER_TRY(to.write_json("run.json", record.raw));
  return os::sync_file_system(to.path());
}

Status set_aside_as(std::string const& from, std::string const& to) {
  if (!os::exists(from)) return {};
  DROVER_TRY(os::make_folders(fs::path{to}.parent_path().string()));
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return std::unexpected(system_error(error.value(), "set aside", from));
  return {};
}

// What repair would take for entries that were lost.
Status set_results_aside(RunFolder const& run, History const& before, History const& after,
                         std::string const& aside) {
  for (auto const& effect : before.effects()) {
    auto const* const kept = after.by_id(effect.id);
    std::string const task = fmt::format("{}/{}", aside, effect.id);
    if (kept == nullptr)
      DROVER_TRY(set_aside_as(run.task(effect.id), task));
    else if (kept->status == EffectStatus::requested && effect.status != EffectStatus::requested)
      DROVER_TRY(set_aside_as(run.task(effect.id) + "/result.json", task + "/result.json"));
  }
  return set_aside_as(run.at("state/output.json"), aside + "/output.json");
}

}  // namespace

Result<std::uint64_t> entries_before(std::vector<Event> const& events, History const& history,
                                     std::string_view point) {
  auto const all = static_cast<std::uint64_t>(events.size());
  if (point.empty()) {
    if (history.end() == RunEnd::none) return all;
    auto last = all;
    while (!is_end(events[last - 1].type))
      --last;
    return last - 1;
  }
  if (auto const number = as_number(point)) {
    if (*number >= 1 && *number <= all) return *number;
    return fail(ErrorCode::not_found, "the journal has the entries 1 to {}, and no {}", all,
                *number);
  }
  auto const effects = named(history, point);
  if (effects.empty())
    return fail_next(ErrorCode::not_found,
                     fmt::format("there is no effect {} in the run", printable(point)),
                     "name an effect by its id, label or step, or an entry by its number");
  if (effects.size() > 1)
    return fail_next(
        ErrorCode::conflict,
        fmt::format("{} effects of the run are named {}", effects.size(), printable(point)),
        fmt::format("name one by its id, as {}", effects.front()->id));
  return effects.front()->requested_seq - 1;
}

std::vector<Event> shortened(std::vector<Event> const& events, std::uint64_t keep,
                             json::object note, WallTime now, Random& random) {
  auto const cut = events.begin() + static_cast<std::ptrdiff_t>(keep);
  std::vector<Event> kept{events.begin(), cut};
  auto const add = [&](std::string_view type, json::object data) {
    EventName const& last = kept.back().name;
    Event event;
    event.name = {last.seq + 1, next_ulid(now, random, last.ulid)};
    event.type = type;
    event.recorded_at = to_rfc3339(now);
    event.data = std::move(data);
    kept.push_back(std::move(event));
  };
  add(kRewound, std::move(note));
  for (auto event = cut; event != events.end(); ++event)
    if (event->type == event_type::kSignal) add(event->type, event->data);
  return kept;
}

std::string seed_of(RunRecord const& record, History const& history) {
  auto const own = string_or(record.raw, "seed", "");
  return own.empty() ? sha256_hex(record.run_id + history.created_at()) : std::string{own};
}

Result<Forked> fork_run(RunFolder const& run, ForkWish const& asked, Clock const& clock,
                        Random& random) {
  ForkWish wish = asked;
  if (wish.run_id.empty()) wish.run_id = next_ulid(clock.now(), random, "");
  if (!is_plain_name(wish.run_id))
    return fail(ErrorCode::invalid_argument,
                "a run's id is letters, digits, '.', '_' and '-', and '{}' is none",
                printable(wish.run_id));
  auto const source = read_run(run);
  if (!source) return std::unexpected(source.error());
  auto const keep = entries_before(source->journal.events, source->history, wish.point);
  if (!keep) return std::unexpected(keep.error());
  std::string const root = fs::path{run.path()}.parent_path().string();
  RunFolder const folder{fmt::format("{}/{}", root, wish.run_id)};
  auto const taken = [&] {
    return fail_next(ErrorCode::conflict,
                     fmt::format("run {} exists already", printable(wish.run_id)),
                     "give the fork another id, or none");
  };
  if (os::exists(folder.path())) return taken();
  json::object note{{"forkedFrom", source->record.run_id}, {"seq", *keep}};
  auto events = shortened(source->journal.events, *keep, std::move(note), clock.now(), random);
  events.front().data["runId"] = wish.run_id;
  auto record = forked_record(*source, wish, *keep, to_rfc3339(clock.now()), random);
  RunFolder const unborn{fmt::format("{}/.new-{}", root, next_ulid(clock.now(), random, ""))};
  auto filled = fill_fork(run, unborn, record, events);
  std::error_code error;
  if (filled) fs::rename(unborn.path(), folder.path(), error);
  if (!filled || error) {
    DROVER_TRY(os::remove_tree(unborn.path()));
    if (!filled) return std::unexpected(filled.error());
    if (error == std::errc::directory_not_empty || error == std::errc::file_exists) return taken();
    return std::unexpected(system_error(error.value(), "create the run", folder.path()));
  }
  DROVER_TRY(os::sync_folder(root));
  return Forked{folder, std::move(record), *keep, source->journal.events.size() - *keep};
}

Result<Rewound> rewind_run(RunFolder const& run, std::string_view point, Clock const& clock,
                           Random& random) {
  if (auto const record = read_run_record(run); !record) return std::unexpected(record.error());
  auto const lock = RunLock::acquire(run, "run:rewind", clock);
  if (!lock) return std::unexpected(lock.error());
  auto const view = read_run(run);
  if (!view) return std::unexpected(view.error());
  auto const& events = view->journal.events;
  auto const keep = entries_before(events, view->history, point);
  if (!keep) return std::unexpected(keep.error());
  Rewound rewound{*keep, events.size() - *keep};
  if (rewound.left_out == 0) return rewound;
  auto const ms = to_unix_ms(clock.now());
  std::string const backup = fmt::format("journal.rewound.bak.{}", ms);
  json::object note{{"seq", *keep}, {"leftOut", rewound.left_out}, {"backup", backup}};
  auto const fewer = shortened(events, *keep, std::move(note), clock.now(), random);
  auto const after = History::of(fewer);
  if (!after) return std::unexpected(after.error());
  DROVER_TRY(replace_journal(run, fewer, view->record.writer, backup));
  DROVER_TRY(set_results_aside(run, view->history, *after,
                               run.at(fmt::format("orphaned/rewound.{}", ms))));
  DROVER_TRY(run.write_json(
      "state/state.json",
      state_of(*after, view->record.writer, to_rfc3339(clock.now()), "journal_mismatch")));
  rewound.backup = run.at(backup);
  return rewound;
}

}  // namespace drover::workflow
