// The pure half of repair.h.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>

#include "base/digest.h"
#include "base/text.h"
#include "workflow/history.h"
#include "workflow/repair.h"
#include "workflow/ulid.h"

namespace drover::workflow {

namespace {

std::string member(json::value const& record, std::string_view key) {
  auto const* const object = record.if_object();
  return object == nullptr ? "" : std::string{string_or(*object, key, "")};
}

class Planner {
 public:
  Planner(WallTime now, Random& random) : now_(now), random_(random) {}

  RepairPlan plan(std::vector<FoundEntry> entries, std::vector<FoundTask> const& tasks) {
    plan_.original_files = entries.size();
    take_readable(std::move(entries));
    bool const damaged = missing_ > 0;
    if (damaged) rebuild_lost(tasks);
    drop_contradictions();
    renumber();
    if (plan_.lost > 0) confess();
    return std::move(plan_);
  }

 private:
  void note(RepairAct act, std::string what, std::string why) {
    plan_.notes.push_back({act, std::move(what), std::move(why)});
  }

  // In their order; counts the numbers that no readable entry has.
  void take_readable(std::vector<FoundEntry> entries) {
    std::set<std::uint64_t> numbers;
    for (auto& entry : entries) {
      if (entry.event) {
        numbers.insert(entry.event->name.seq);
        plan_.events.push_back(*std::move(entry.event));
        continue;
      }
      ++plan_.corrupt;
      note(RepairAct::dropped, entry.file, entry.problem);
      if (auto const name = parse_file_name(entry.file)) last_ = std::max(last_, name->seq);
    }
    std::ranges::sort(plan_.events, [](Event const& a, Event const& b) {
      return std::pair{a.name.seq, a.name.ulid} < std::pair{b.name.seq, b.name.ulid};
    });
    if (!numbers.empty()) last_ = std::max(last_, *numbers.rbegin());
    missing_ = last_ - numbers.size();
  }

  // The order of ULIDs is that of time, and an effect's id is a moment older than its request.
  void insert_by_time(Event event, std::string_view after) {
    auto at = std::ranges::find_if(plan_.events,
                                   [&](Event const& each) { return each.name.ulid > after; });
    plan_.events.insert(at, std::move(event));
  }

  void rebuild_lost(std::vector<FoundTask> const& tasks) {
    std::set<std::string> asked;
    std::set<std::string> keys;
    std::set<std::string> ended;
    for (auto const& event : plan_.events) {
      auto const id = std::string{string_or(event.data, "effectId", "")};
      if (event.type == event_type::kEffectRequested) {
        asked.insert(id);
        keys.insert(std::string{string_or(event.data, "invocationKey", "")});
      }
      if (event.type == event_type::kEffectResolved || event.type == event_type::kEffectCancelled)
        ended.insert(id);
    }
    std::size_t rebuilt = 0;
    for (auto const& task : tasks) {
      if (rebuilt < missing_ && !asked.contains(task.effect_id) && task.task.is_object() &&
          keys.insert(member(task.task, "invocationKey")).second) {
        rebuild_request(task);
        asked.insert(task.effect_id);
        ++rebuilt;
      }
      if (rebuilt < missing_ && asked.contains(task.effect_id) && !ended.contains(task.effect_id) &&
          task.result.is_object()) {
        rebuild_end(task);
        ++rebuilt;
      }
    }
    plan_.lost = missing_ - rebuilt;
  }

  void rebuild_request(FoundTask const& task) {
    json::object data;
    std::string const key = member(task.task, "invocationKey");
    data.emplace("effectId", task.effect_id);
    data.emplace("invocationKey", key);
    data.emplace("invocationHash", sha256_hex(key));
    data.emplace("stepId", member(task.task, "stepId"));
    data.emplace("taskId", member(task.task, "taskId"));
    data.emplace("kind", member(task.task, "kind"));
    data.emplace("label", member(task.task, "title"));
    data.emplace("taskDefRef", fmt::format("tasks/{}/task.json", task.effect_id));
    if (auto const inputs = member(task.task, "inputsRef"); !inputs.empty())
      data.emplace("inputsRef", inputs);
    Event event;
    event.name.ulid = task.effect_id;
    event.type = event_type::kEffectRequested;
    event.recorded_at = to_rfc3339(now_);
    event.data = std::move(data);
    note(RepairAct::rebuilt, fmt::format("{} of {}", event.type, task.effect_id), "from task.json");
    insert_by_time(std::move(event), task.effect_id);
  }

  void rebuild_end(FoundTask const& task) {
    auto const status = member(task.result, "status");
    json::object data;
    data.emplace("effectId", task.effect_id);
    Event event;
    event.type = event_type::kEffectResolved;
    if (status == "cancelled") {
      event.type = event_type::kEffectCancelled;
      if (auto const reason = member(task.result, "reason"); !reason.empty())
        data.emplace("reason", reason);
    } else {
      data.emplace("status", status == "ok" ? "ok" : "error");
      data.emplace("resultRef", fmt::format("tasks/{}/result.json", task.effect_id));
      if (auto const* const error = task.result.get_object().if_contains("error"))
        data.emplace("error", *error);
      for (auto const* const key : {"stdoutRef", "stderrRef", "startedAt", "finishedAt"})
        if (auto const text = member(task.result, key); !text.empty()) data.emplace(key, text);
    }
    event.recorded_at = member(task.result, "finishedAt");
    if (event.recorded_at.empty()) event.recorded_at = to_rfc3339(now_);
    event.data = std::move(data);
    auto const finished = parse_rfc3339(event.recorded_at);
    event.name.ulid =
        std::max(next_ulid(finished ? *finished : now_, random_, ""), next_request(task.effect_id));
    note(RepairAct::rebuilt, fmt::format("{} of {}", event.type, task.effect_id),
         "from result.json");
    std::string const after = event.name.ulid;
    insert_by_time(std::move(event), after);
  }

  // A ULID above that of the effect's request.
  std::string next_request(std::string_view effect_id) {
    for (auto const& event : plan_.events)
      if (event.type == event_type::kEffectRequested &&
          string_or(event.data, "effectId", "") == effect_id)
        return next_ulid(WallTime{}, random_, event.name.ulid);
    return "";
  }

  // What the fold refuses goes: a second request, an end of nothing, a second end.
  void drop_contradictions() {
    History history;
    std::vector<Event> kept;
    for (auto& event : plan_.events) {
      Event candidate = event;
      candidate.name = {history.head().seq + 1,
                        next_ulid(WallTime{}, random_, history.head().ulid)};
      if (auto const applied = history.apply(candidate); applied) {
        kept.push_back(std::move(event));
        continue;
      } else {
        note(RepairAct::dropped, fmt::format("{} {}", event.name.seq, event.type),
             applied.error().message);
      }
      if (event.type == event_type::kEffectRequested) ++plan_.dropped_requests;
      if (event.type == event_type::kEffectResolved || event.type == event_type::kEffectCancelled)
        ++plan_.dropped_resolutions;
    }
    plan_.events = std::move(kept);
  }

  // Numbers without a gap; ULIDs stay, but for those that do not grow.
  void renumber() {
    EventName last;
    for (auto& event : plan_.events) {
      EventName const old = event.name;
      event.name.seq = last.seq + 1;
      if (event.name.ulid <= last.ulid) event.name.ulid = next_ulid(WallTime{}, random_, last.ulid);
      if (old.seq != 0 && event.name != old)
        note(RepairAct::kept, file_name(old), fmt::format("as {}", file_name(event.name)));
      last = event.name;
    }
  }

  void confess() {
    note(RepairAct::lost, fmt::format("{} entries", plan_.lost), "nothing tells what they said");
    Event event;
    event.name = {
        plan_.events.size() + 1,
        next_ulid(now_, random_, plan_.events.empty() ? "" : plan_.events.back().name.ulid)};
    event.type = kRepaired;
    event.recorded_at = to_rfc3339(now_);
    event.data = json::object{{"lost", plan_.lost}, {"corrupt", plan_.corrupt}};
    plan_.events.push_back(std::move(event));
  }

  WallTime now_;
  Random& random_;
  RepairPlan plan_;
  std::uint64_t last_ = 0;
  std::size_t missing_ = 0;
};

}  // namespace

RepairPlan plan_repair(std::vector<FoundEntry> entries, std::vector<FoundTask> const& tasks,
                       WallTime now, Random& random) {
  return Planner{now, random}.plan(std::move(entries), tasks);
}

}  // namespace drover::workflow
