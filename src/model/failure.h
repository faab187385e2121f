#pragma once
// How one attempt at a model call failed, and what to do about it. Pure; safe from any thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace drover::model {

struct Failure {
  enum class Kind : std::uint8_t {
    http,         // an answer with a status of 400 or above
    stream,       // an `error` event inside a 200 stream; `status` is what HTTP would have said
    cut,          // the connection ended before the message did
    malformed,    // the answer is not what the API sends
    timeout,      // nothing came in time
    connect,      // the peer cannot be reached
    interrupted,  // this side gave up: somebody asked to stop
  };
  Kind kind = Kind::http;
  int status = 0;       // 0 where there was none
  std::string type;     // `error.type` of the API: "overloaded_error", …
  std::string message;  // one sentence
  std::optional<Millis> retry_after;

  // One line for events and logs: "529 overloaded_error: Overloaded".
  [[nodiscard]] std::string text() const;
};

enum class Verdict : std::uint8_t {
  retry,             // the same request may succeed later
  fatal,             // it will not
  budget_exhausted,  // the money or token limit refuses it
  turns_exhausted,   // the run has had its model calls
  prompt_too_long,   // the history does not fit the model's window
  fenced,            // a newer attempt has taken over; stop without another word
  interrupted,
};

// HTTP answers and in-stream errors are judged alike: 408, 425, 429, 500 to 599 (529 among them),
// timeouts, cut and malformed streams are worth a retry; every other answer is not.
[[nodiscard]] Verdict classify(Failure const& failure);

// The status that belongs to an `error.type` of the Messages API; 500 for an unknown one.
[[nodiscard]] int status_of_error_type(std::string_view type);

// From an answer of 400 or above. `retry_after` and `retry_after_ms` are the values of the headers
// of these names, empty where absent; a date in retry-after is ignored.
[[nodiscard]] Failure failure_from_response(int status, std::string_view body,
                                            std::string_view retry_after,
                                            std::string_view retry_after_ms);

}  // namespace drover::model
