#pragma once
// The session's journal: append-only JSON lines, from which a killed session goes on. The grammar
// is at the top of transcript.cc. One process writes it at a time (a lock sees to that). Not
// thread-safe. A record is on disk when sync() or intent() has returned.
//
//   <session_dir>/projects/-workspace/<id>.jsonl   the journal
//   <session_dir>/projects/-workspace/<id>/tool-results/   long tool outputs
//   <session_dir>/sessions/<session>.session       the journal's id of each session
//   <session_dir>/.session                         the id of the session that ran last
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/ports.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/time.h"
#include "model/messages.h"
#include "os/fd.h"

namespace drover::agent {

// Who wrote a user message: a person's prompt starts a turn, a note does not.
enum class UserKind : std::uint8_t { prompt, note };

class Transcript {
 public:
  struct Message {
    model::Role role = model::Role::user;
    std::string json;  // as message_json() makes it
  };
  // A tool call of the last answer whose results were not all recorded.
  struct OpenCall {
    model::ToolCall call;
    bool started = false;               // its intent is recorded: it may have had effects
    std::optional<std::string> result;  // content block
  };
  // Where the last turn stands.
  struct LastTurn {
    std::string id;
    int turns = 0;                       // model calls
    std::string text;                    // of the last answer
    bool answered = false;               // the last message is an answer without tool calls
    std::vector<model::ToolCall> asked;  // calls of the last answer that put questions
    std::optional<TurnOutcome> outcome;  // the turn has ended
  };
  struct History {
    std::vector<Message> messages;     // complete and paired, without the open calls' results
    std::vector<OpenCall> open_calls;  // in call order; empty unless a result is missing
    LastTurn last;
    std::string notice;  // what had to be repaired; empty when nothing
  };
  struct Options {
    std::string session_dir;
    std::string session;  // a slug
  };

  // Opens or creates the session's journal and reads it. A torn last record is cut off; a journal
  // that is damaged before its end is moved aside and a new one begun; `notice` says either.
  // conflict when another process writes it.
  [[nodiscard]] static Result<Transcript> open(Options const& options, Clock const& clock);

  // The history read by open(); once, as it may be large.
  [[nodiscard]] History take_history() { return std::move(history_); }
  [[nodiscard]] std::string const& id() const { return id_; }
  [[nodiscard]] std::string const& path() const { return path_; }
  [[nodiscard]] std::string spill_path(std::string_view call_id) const;

  [[nodiscard]] Status user(std::string_view turn_id, UserKind kind, std::string_view message);
  [[nodiscard]] Status assistant(model::Response const& response, std::string_view message);
  // Durable before the call is carried out, so that a resumed session knows it may have happened.
  [[nodiscard]] Status intent(std::string_view call_id);
  [[nodiscard]] Status result(std::string_view call_id, std::string_view block);
  [[nodiscard]] Status end(std::string_view turn_id, TurnOutcome const& outcome);
  [[nodiscard]] Status sync();

 private:
  struct Reading;
  Transcript(std::string folder, std::string id, Clock const& clock);
  [[nodiscard]] Status open_file();
  [[nodiscard]] Status load();
  [[nodiscard]] Status begin_again(std::string_view why);
  [[nodiscard]] Status write_first_record();
  [[nodiscard]] Status append(std::string record);
  [[nodiscard]] JsonWriter record_of(std::string_view type) const;

  std::string folder_;
  std::string id_;
  std::string path_;
  Clock const* clock_;
  os::Fd file_;
  History history_;
  std::uint64_t size_ = 0;
  std::string broken_;  // why nothing can be appended any more; empty while all is well
  bool unsynced_ = false;
};

// A content block that stands for the result of a call that will never have one.
[[nodiscard]] std::string missing_result_block(Transcript::OpenCall const& open);

}  // namespace drover::agent
