#pragma once
// The scripted model: answers requests from a JSON file, in the wire formats of the real APIs and
// with their faults, so that agents can be tested without a key, a network or chance.
// docs/scripted-model.md is the format. Pure: the caller waits, sends and cuts as the Plan says.
// ScriptedModel is immutable after parse() and safe from any thread; ScriptedAttempts is not.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "model/messages.h"
#include "model/pricing.h"
#include "model/wire_format.h"

namespace drover::model {

// What to do on the connection, in order. A plan without a cut or hang ends the answer properly.
struct PlanStep {
  enum class Kind : std::uint8_t {
    wait,   // for `wait`
    head,   // status and headers; the length is not known yet
    bytes,  // of the body
    cut,    // close the connection without ending the answer; always last
    hang,   // send nothing more until the client goes; always last
  };
  Kind kind = Kind::bytes;
  Millis wait{0};
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string bytes;
};
using Plan = std::vector<PlanStep>;

// How often each turn of each session was asked for, so that a fault can happen a number of times
// and then not again. Kept in memory by whoever serves the script.
class ScriptedAttempts {
 public:
  // Turns with faults remembered at once; beyond it the oldest is forgotten, and its faults would
  // happen again.
  static constexpr std::size_t kTurnsMax = 65'536;

  // Counts one more attempt and gives its number, from 1.
  [[nodiscard]] int next(std::string_view session, std::size_t turn);

 private:
  std::unordered_map<std::string, int> counts_;
  std::deque<std::string> order_;
};

struct ScriptedCall {
  std::string name;
  json::object input;
  std::string id;  // empty: made from turn and position
};

struct ScriptedFault {
  enum class Kind : std::uint8_t { status, cut, hang, malformed, stream_error };
  Kind kind = Kind::status;
  int status = 0;
  std::string type;
  std::string message;
  std::optional<double> retry_after_s;
  std::optional<std::int64_t> retry_after_ms;
  std::optional<std::size_t> after_events;  // absent: before the headers (hang), or 1
  int times = 1;
};

struct ScriptedResult {  // expectation on one tool result
  std::size_t call = 0;  // position among the results of the request's last turn
  std::vector<std::string> contains;
  std::vector<std::string> lacks;
  std::optional<bool> is_error;
};

struct ScriptedExpect {
  std::optional<std::string> model;
  std::vector<std::string> system_contains;
  std::vector<std::string> last_user_text_contains;
  std::vector<std::string> tools_include;
  std::vector<ScriptedResult> tool_results;
};

struct ScriptedTurn {
  std::size_t index = 0;  // position in the file
  ScriptedExpect expect;
  std::vector<std::string> thinking;  // pieces
  std::vector<std::string> text;
  std::vector<ScriptedCall> calls;
  std::vector<ScriptedFault> faults;
  Millis delay{0};              // before the headers
  Millis delta_delay{0};        // before each piece
  std::size_t delta_bytes = 0;  // splits pieces further; 0: as they are
  std::optional<Usage> usage;
  std::string stop_reason;  // empty: tool_use with calls, else end_turn
  std::int64_t repeat = 1;
};

class ScriptedModel {
 public:
  static constexpr std::size_t kTurnsMax = 10'000;
  static constexpr std::int64_t kRepeatMax = 1'000'000;

  // The error starts with the JSON pointer of what does not fit, and says what was expected.
  [[nodiscard]] static Result<ScriptedModel> parse(std::string_view text);

  // Answers one request. The turn is the number of the model's answers in it, so that a resumed
  // session, a retried request and a further message all find their place without any state here;
  // `session` only separates the counts of faults. A request that breaks an expectation, or that
  // asks for a turn beyond the script, gets status 400 with a sentence that says so.
  [[nodiscard]] Plan answer(std::string_view request_body, std::string_view session,
                            ScriptedAttempts& attempts,
                            WireFormat format = WireFormat::messages) const;
  // The same for a request that is parsed already; `body_bytes` is for the token estimate.
  [[nodiscard]] Plan answer(json::value const& request, std::size_t body_bytes,
                            std::string_view session, ScriptedAttempts& attempts,
                            WireFormat format = WireFormat::messages) const;

  [[nodiscard]] std::string const& name() const { return name_; }
  [[nodiscard]] std::vector<std::string> const& models() const { return models_; }
  // The body of `GET /v1/models`.
  [[nodiscard]] std::string model_list() const;
  [[nodiscard]] std::optional<Price> const& price() const { return price_; }

 private:
  enum class AfterLast : std::uint8_t { error, repeat_last, loop };
  struct Place {
    ScriptedTurn const* turn;
    std::int64_t iteration;  // of a repeated turn, from 0
  };
  // nullopt: beyond the script.
  [[nodiscard]] std::optional<Place> find(std::int64_t turn) const;

  std::string name_ = "scripted";
  std::vector<std::string> models_;
  std::optional<Price> price_;
  AfterLast after_last_ = AfterLast::error;
  std::vector<ScriptedTurn> turns_;
  std::vector<std::int64_t> ends_;  // running sum of repeats: turn i covers [ends_[i-1], ends_[i])
};

}  // namespace drover::model
