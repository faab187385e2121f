#pragma once
// What a journal says: the effects of a run and how they ended, values that were recorded, signals,
// and the run's own end. A fold over its entries. Pure.
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/error.h"
#include "base/json.h"
#include "workflow/event.h"
#include "workflow/step_id.h"

namespace drover::workflow {

enum class EffectStatus : std::uint8_t { requested, resolved_ok, resolved_error, cancelled };
[[nodiscard]] std::string_view to_string(EffectStatus status);

struct Effect {
  std::string id;
  std::string key;  // the invocation key
  std::string step_id;
  std::string task_id;
  std::string kind;
  std::string label;
  std::vector<std::string> labels{};
  std::string task_ref;
  std::string inputs_ref{};
  std::string result_ref{};
  std::string stdout_ref{};
  std::string stderr_ref{};
  std::string requested_at{};
  std::string resolved_at{};
  std::string arguments_hash{};  // empty: another tool asked for it, and noted none
  json::value error{};           // of a resolved_error; null: only result.json has it
  std::string reason{};          // of a cancelled one
  EffectStatus status = EffectStatus::requested;
  std::uint64_t requested_seq = 0;
  std::uint64_t resolved_seq = 0;  // 0: it has not ended
  std::uint64_t begun = 0;         // how often somebody began to carry it out, as far as was noted
};

struct RecordedValue {
  json::value value;
  std::string recorded_at;
};

struct Signal {
  std::string name;
  json::value payload;
  std::string recorded_at;
  std::uint64_t seq = 0;
};

enum class RunEnd : std::uint8_t {
  none,
  completed,
  failed,
  halted,
  process_error,  // the process threw; another replay may go on from there
};

struct ProcessReference {
  std::string id;
  json::object entrypoint;  // {importPath, exportName?}
};

class History {
 public:
  History() = default;
  History(History const&) = delete;
  History& operator=(History const&) = delete;
  History(History&&) = default;
  History& operator=(History&&) = default;
  ~History() = default;

  // data_corrupt: an entry that contradicts those before it.
  [[nodiscard]] Status apply(Event const& event);
  // Of all of them, in order.
  [[nodiscard]] static Result<History> of(std::vector<Event> const& events);

  [[nodiscard]] std::deque<Effect> const& effects() const { return effects_; }  // as asked for
  [[nodiscard]] Effect const* by_key(std::string_view key) const;
  [[nodiscard]] Effect const* by_id(std::string_view id) const;
  [[nodiscard]] std::uint64_t last_counted_step() const { return last_counted_step_; }
  [[nodiscard]] RecordedValue const* recorded(std::string_view key) const;
  // Whether an effect took the signal of this entry.
  [[nodiscard]] bool is_taken(std::uint64_t signal_seq) const {
    return taken_.contains(signal_seq);
  }
  // In the order in which they came.
  [[nodiscard]] std::vector<Signal> const& signals() const { return signals_; }

  [[nodiscard]] EventName const& head() const { return head_; }  // seq 0: none
  [[nodiscard]] RunEnd end() const { return end_; }
  [[nodiscard]] json::object const& end_data() const { return end_data_; }
  [[nodiscard]] std::string const& created_at() const { return created_at_; }
  // The last one given to the run; empty where the journal names none.
  [[nodiscard]] ProcessReference const& process() const { return process_; }
  // In the order in which the kinds first occur.
  [[nodiscard]] std::vector<std::pair<std::string, std::size_t>> pending_by_kind() const;
  [[nodiscard]] std::size_t pending() const { return pending_; }
  // How its effects are named; nullopt where it has none.
  [[nodiscard]] std::optional<Generation> generation() const;

 private:
  [[nodiscard]] Status request(Event const& event);
  [[nodiscard]] Status resolve(Event const& event);
  [[nodiscard]] Status cancel(Event const& event);
  void begin(Event const& event);
  [[nodiscard]] Result<Effect*> open_effect(Event const& event, JsonObject const& data);
  [[nodiscard]] Status record(Event const& event);

  // By texts of the effects themselves, each of which stays where it is.
  using Index = boost::unordered_flat_map<std::string_view, Effect*>;

  std::deque<Effect> effects_;
  Index by_key_;
  Index by_id_;
  std::unordered_map<std::string, RecordedValue> recorded_;
  std::vector<Signal> signals_;
  std::unordered_set<std::uint64_t> taken_;
  EventName head_;
  RunEnd end_ = RunEnd::none;
  json::object end_data_;
  std::string created_at_;
  ProcessReference process_;
  std::size_t pending_ = 0;
  std::uint64_t last_counted_step_ = 0;
};

}  // namespace drover::workflow
