#include "chaos_account.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>

namespace drover::bench {

namespace {

std::size_t hash_of(std::string_view data) {
  return std::hash<std::string_view>{}(data);
}

}  // namespace

void Account::accepted(std::string const& key, std::string const& run) {
  keys_[key].insert(run);
}

void Account::shown(std::string const& run, std::int64_t seq, std::string_view data) {
  runs_[run].shown[seq] = hash_of(data);
}

void Account::stored(std::string const& run, std::int64_t seq, std::string_view type,
                     std::string_view data) {
  Run& known = runs_[run];
  known.stored.emplace_back(seq, hash_of(data));
  if (type == "turn-complete") ++known.ends;
  if (type == "commit") ++known.announced;
}

void Account::committed(std::string const& run, std::string const& workspace, int effects,
                        int strays) {
  Change& change = runs_[run].changes[workspace];
  ++change.commits;
  change.effects += effects;
  change.strays += strays;
}

std::set<std::string> Account::runs() const {
  std::set<std::string> all;
  for (auto const& [key, runs] : keys_)
    all.insert(runs.begin(), runs.end());
  return all;
}

// Empty for events that are numbered from 1 and the same as those that were shown.
std::string Account::fault_of(Run const& run) {
  std::int64_t due = 1;
  for (auto const& [seq, hash] : run.stored) {
    if (seq != due) return fmt::format("event {} comes where {} was due", seq, due);
    ++due;
    auto const shown = run.shown.find(seq);
    if (shown != run.shown.end() && shown->second != hash)
      return fmt::format("event {} is not the one that was shown", seq);
  }
  if (!run.shown.empty() && run.shown.rbegin()->first >= due)
    return fmt::format("event {} was shown and is gone", run.shown.rbegin()->first);
  return {};
}

void Account::settle_run(std::string const& id, Run const& run, Totals& totals) const {
  if (run.ends == 0) {
    ++totals.lost;
    totals.findings.push_back(fmt::format("{} is lost: it has no terminal event", id));
  } else {
    ++totals.finished;
  }
  bool const succeeded = run.how == "succeeded";
  if (succeeded)
    ++totals.succeeded;
  else
    ++totals.otherwise[run.how];
  if (run.ends > 1) {
    ++totals.doubled;
    totals.findings.push_back(fmt::format("{} has {} terminal events", id, run.ends));
  }
  int commits = 0;
  for (auto const& [workspace, change] : run.changes) {
    commits += change.commits;
    if (change.strays > 0) {
      ++totals.lost;
      totals.findings.push_back(fmt::format("{} changed {} files in {} that it never touched", id,
                                            change.strays, workspace));
    }
    if (change.commits <= 1 && change.effects <= effects_) continue;
    ++totals.doubled;
    totals.findings.push_back(fmt::format("{} has {} commits with {} effects in {}", id,
                                          change.commits, change.effects, workspace));
  }
  totals.commits += static_cast<std::size_t>(commits);
  // That of a run which did not succeed is kept under a ref of its own.
  if (succeeded && commits < run.announced) {
    ++totals.lost;
    totals.findings.push_back(
        fmt::format("{} announced {} commits, and {} are on a branch", id, run.announced, commits));
  }
  auto const fault = fault_of(run);
  if (fault.empty()) return;
  ++totals.torn;
  totals.findings.push_back(fmt::format("{} is torn: {}", id, fault));
}

Totals Account::settle() const {
  Totals totals;
  totals.accepted = keys_.size();
  for (auto const& [key, runs] : keys_) {
    if (runs.size() == 1) continue;
    ++totals.doubled;
    totals.findings.push_back(
        fmt::format("the key {} was answered with the runs {}", key, fmt::join(runs, ", ")));
  }
  auto const told = runs();
  for (std::string const& run : listed_) {
    if (told.contains(run)) continue;
    ++totals.doubled;
    totals.findings.push_back(fmt::format("{} is a run that no client was told of", run));
  }
  for (std::string const& id : told) {
    auto const known = runs_.find(id);
    settle_run(id, known == runs_.end() ? Run{} : known->second, totals);
  }
  return totals;
}

}  // namespace drover::bench
