#pragma once
// The books of `chaos`: what clients were told while things died, and what the server and git hold
// in the end. Nothing may be lost or done twice. Plain values; not thread-safe.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace drover::bench {

struct Totals {
  std::size_t accepted = 0;   // keys that a 2xx answered
  std::size_t finished = 0;   // their runs that have a terminal event
  std::size_t succeeded = 0;  // of these
  std::size_t commits = 0;    // found on branches
  // Runs without a terminal event, whose commit is on no branch, or that took others' files away.
  std::size_t lost = 0;
  std::size_t doubled = 0;  // things that are there twice: runs, ends, commits, effects
  std::size_t torn = 0;     // runs whose events do not say what clients were shown, or have a gap
  std::map<std::string, std::size_t> otherwise;  // ends that are none of success, by their reason
  std::vector<std::string> findings;             // one sentence for each of the three
};

class Account {
 public:
  // `effects` is how many effects the run may leave in its commits.
  explicit Account(int effects) : effects_(effects) {}

  // Told to clients.
  void accepted(std::string const& key, std::string const& run);
  void shown(std::string const& run, std::int64_t seq, std::string_view data);

  // Held in the end.
  void listed(std::string const& run) { listed_.insert(run); }
  void stored(std::string const& run, std::int64_t seq, std::string_view type,
              std::string_view data);
  // As the server says it: "succeeded", or another state and its reason.
  void ended(std::string const& run, std::string const& how) { runs_[run].how = how; }
  // `strays`: files that the commit changes and the run did not.
  void committed(std::string const& run, std::string const& workspace, int effects, int strays = 0);

  [[nodiscard]] std::set<std::string> runs() const;
  [[nodiscard]] Totals settle() const;

 private:
  struct Change {
    int commits = 0;
    int effects = 0;
    int strays = 0;
  };
  struct Run {
    std::map<std::int64_t, std::size_t> shown;  // seq to the hash of its data
    std::vector<std::pair<std::int64_t, std::size_t>> stored;
    int ends = 0;
    int announced = 0;  // commits, by their events
    std::string how;
    std::map<std::string, Change> changes;  // by workspace
  };
  [[nodiscard]] static std::string fault_of(Run const& run);
  void settle_run(std::string const& id, Run const& run, Totals& totals) const;

  int effects_;
  std::map<std::string, std::set<std::string>> keys_;
  std::map<std::string, Run> runs_;
  std::set<std::string> listed_;
};

}  // namespace drover::bench
