#include "cli/definition_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "cli/change_view.h"

namespace drover::cli {

namespace {

Result<PlannedChange> plan_one(Definition kind, WantedDefinition wanted,
                               PresentDefinition const* present) {
  PlannedChange change;
  change.name = std::move(wanted.name);
  change.spec = std::move(wanted.spec);
  json::value const after = change.spec;
  json::value const before = present != nullptr ? json::value(present->spec) : json::value();
  change.changes = json_differences(present != nullptr ? &before : nullptr, &after);
  if (present == nullptr) {
    change.act = PlannedAct::add;
    return change;
  }
  change.revision = present->revision;
  if (change.changes.empty()) return change;
  if (present->origin == "file")
    return fail_next(ErrorCode::conflict,
                     fmt::format("{}: the {} {} is defined in {} of the server", wanted.place,
                                 words_of(kind).noun, change.name, printable(present->file, 300)),
                     "change it there, and restart the server");
  change.act = PlannedAct::change;
  return change;
}

PlannedChange removal_of(PresentDefinition const& present) {
  PlannedChange change;
  change.act = PlannedAct::remove;
  change.name = present.name;
  change.revision = present.revision;
  change.spec = present.spec;
  return change;
}

}  // namespace

Status check_names(Definition kind, std::vector<WantedDefinition> const& wanted) {
  std::map<std::string_view, std::string_view> places;
  for (WantedDefinition const& one : wanted) {
    auto const [known, added] = places.emplace(one.name, one.place);
    if (!added)
      return fail_next(ErrorCode::invalid_argument,
                       fmt::format("{} and {} both define the {} {}", known->second, one.place,
                                   words_of(kind).noun, one.name),
                       "rename one of them, or leave it out");
  }
  return {};
}

Result<std::vector<PlannedChange>> plan_apply(Definition kind, std::vector<WantedDefinition> wanted,
                                              std::vector<PresentDefinition> const& present,
                                              Prune prune) {
  DROVER_TRY(check_names(kind, wanted));
  std::ranges::sort(wanted, {}, &WantedDefinition::name);
  std::vector<PlannedChange> plan;
  for (WantedDefinition& one : wanted) {
    auto const known = std::ranges::find(present, one.name, &PresentDefinition::name);
    auto change = plan_one(kind, std::move(one), known == present.end() ? nullptr : &*known);
    if (!change) return std::unexpected(change.error());
    plan.push_back(*std::move(change));
  }
  if (prune == Prune::no) return plan;
  auto const is_wanted = [](std::vector<PlannedChange> const& changes, std::string const& name) {
    return std::ranges::find(changes, name, &PlannedChange::name) != changes.end();
  };
  std::vector<PlannedChange> removals;
  for (PresentDefinition const& one : present)
    if (one.origin == "api" && !is_wanted(plan, one.name)) removals.push_back(removal_of(one));
  std::ranges::sort(removals, {}, &PlannedChange::name);
  std::ranges::move(removals, std::back_inserter(plan));
  return plan;
}

std::size_t count_of(std::vector<PlannedChange> const& plan, PlannedAct act) {
  return static_cast<std::size_t>(std::ranges::count(plan, act, &PlannedChange::act));
}

bool changes_nothing(std::vector<PlannedChange> const& plan) {
  return count_of(plan, PlannedAct::keep) == plan.size();
}

std::string render_planned(PlannedChange const& change, Style const& style) {
  std::string const name = printable(change.name);
  switch (change.act) {
    case PlannedAct::add:
      return paint(style, Paint::green, "+ " + name) + "\n" + render_changes(change.changes, style);
    case PlannedAct::change:
      return paint(style, Paint::yellow, "~ " + name) + "\n" +
             render_changes(change.changes, style);
    case PlannedAct::keep:
      return paint(style, Paint::dim, "= " + name) + "\n";
    case PlannedAct::remove:
      return paint(style, Paint::red, "- " + name) + "\n";
  }
  return {};
}

std::string_view word_of(PlannedAct act) {
  switch (act) {
    case PlannedAct::add:
      return "added";
    case PlannedAct::change:
      return "changed";
    case PlannedAct::keep:
      return "unchanged";
    case PlannedAct::remove:
      return "deleted";
  }
  return "unknown";
}

}  // namespace drover::cli
