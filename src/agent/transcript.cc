// The journal is one JSON object a line, each with its `type` and its time `at`:
//   {"type":"session","v":1,"session":S}                            first line
//   {"type":"user","turn":ID,"kind":"prompt"|"note","message":{…}}  a prompt starts a turn
//   {"type":"assistant","id":…,"model":…,"stop_reason":…,"usage":{…},"message":{…}}
//   {"type":"intent","call":ID}                                     a tool with effects will run
//   {"type":"result","call":ID,"block":{…}}                         its tool_result block
//   {"type":"end","turn":ID,"reason":R,"turns":N,"reply":…,"detail":…}
// An answer is one record, so no crash leaves half of one; results stand alone, so that each call
// that did happen is known. Results are put in call order when the history is built.
#include "agent/transcript.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::agent {

namespace {

constexpr std::size_t kRecordBytesMax = std::size_t{32} << 20U;
constexpr Millis kLockWait{3000};  // a killed predecessor needs a moment to let go
constexpr Millis kLockPoll{20};

// Rebuilds the history record by record. A record that does not fit gives a sentence.
class HistoryReader {
 public:
  [[nodiscard]] Status take(std::string_view line) {
    auto const value = parse_json(line, {.bytes_max = kRecordBytesMax, .depth_max = 128});
    if (!value) return std::unexpected(value.error());
    if (!value->is_object()) return fail(ErrorCode::data_corrupt, "a record is not an object");
    json::object const& record = value->get_object();
    std::string_view const type = string_or(record, "type", "");
    if (type == "session") return take_session(record);
    if (type == "user") return take_user(record);
    if (type == "assistant") return take_assistant(record);
    if (type == "intent") return take_intent(record);
    if (type == "result") return take_result(record);
    if (type == "end") return take_end(record);
    return fail(ErrorCode::data_corrupt, "a record has the unknown type '{}'", printable(type, 40));
  }

  // Everything has been read. Calls with all their results become a message; others stay open.
  [[nodiscard]] Transcript::History finish() {
    bool const paired = std::ranges::all_of(
        history_.open_calls, [](auto const& open) { return open.result.has_value(); });
    if (paired) close_calls();
    return std::move(history_);
  }

 private:
  static Result<std::string> message_of(json::object const& record, model::Role role) {
    auto const* const message = record.if_contains("message");
    auto const* const object = message == nullptr ? nullptr : message->if_object();
    auto const* const content = object == nullptr ? nullptr : object->if_contains("content");
    auto const* const blocks = content == nullptr ? nullptr : content->if_array();
    if (blocks == nullptr || blocks->empty())
      return fail(ErrorCode::data_corrupt, "a record has no message content");
    std::vector<std::string> parts;
    for (json::value const& block : *blocks) {
      if (!block.is_object() || block.get_object().empty())
        return fail(ErrorCode::data_corrupt, "a content block is not an object");
      parts.push_back(json::serialize(block));
    }
    return model::message_json(role, parts);
  }

  Status take_session(json::object const& record) {
    if (integer_or(record, "v", 0) == 1) return {};
    return fail(ErrorCode::unsupported, "the journal was written by a newer version");
  }

  Status take_user(json::object const& record) {
    auto message = message_of(record, model::Role::user);
    if (!message) return std::unexpected(message.error());
    close_calls();
    history_.messages.push_back({model::Role::user, *std::move(message)});
    history_.last.answered = false;
    if (string_or(record, "kind", "prompt") != "prompt") return {};
    history_.last = {};
    history_.last.id = string_or(record, "turn", "");
    return {};
  }

  Status take_assistant(json::object const& record) {
    auto message = message_of(record, model::Role::assistant);
    if (!message) return std::unexpected(message.error());
    close_calls();
    history_.messages.push_back({model::Role::assistant, *std::move(message)});
    ++history_.last.turns;
    history_.last.text.clear();
    json::array const& blocks = record.at("message").get_object().at("content").get_array();
    for (json::value const& block : blocks)
      take_block(block.get_object());
    history_.last.answered = history_.open_calls.empty();
    history_.last.asked.clear();
    return {};
  }

  void take_block(json::object const& block) {
    std::string_view const type = string_or(block, "type", "");
    if (type == "text") history_.last.text += string_or(block, "text", "");
    if (type != "tool_use") return;
    Transcript::OpenCall open;
    open.call.id = string_or(block, "id", "");
    open.call.name = string_or(block, "name", "");
    auto const* const input = block.if_contains("input");
    if (input != nullptr && input->is_object()) open.call.input = input->get_object();
    history_.open_calls.push_back(std::move(open));
  }

  Transcript::OpenCall* find_open(std::string_view id) {
    auto const found = std::ranges::find_if(history_.open_calls,
                                            [&](auto const& open) { return open.call.id == id; });
    return found == history_.open_calls.end() ? nullptr : &*found;
  }

  Status take_intent(json::object const& record) {
    auto* const open = find_open(string_or(record, "call", ""));
    if (open == nullptr) return fail(ErrorCode::data_corrupt, "an intent belongs to no call");
    open->started = true;
    return {};
  }

  Status take_result(json::object const& record) {
    auto* const open = find_open(string_or(record, "call", ""));
    auto const* const block = record.if_contains("block");
    if (open == nullptr || block == nullptr || !block->is_object() || block->get_object().empty())
      return fail(ErrorCode::data_corrupt, "a result belongs to no call");
    open->result = json::serialize(*block);
    if (open->call.name == "AskUserQuestion") history_.last.asked.push_back(open->call);
    return {};
  }

  Status take_end(json::object const& record) {
    TurnOutcome outcome;
    outcome.reason = parse_done_reason(string_or(record, "reason", ""));
    outcome.reply = string_or(record, "reply", "");
    outcome.detail = string_or(record, "detail", "");
    outcome.turns = static_cast<int>(integer_or(record, "turns", 0));
    if (string_or(record, "turn", "") == history_.last.id) history_.last.outcome = outcome;
    return {};
  }

  void close_calls() {
    if (history_.open_calls.empty()) return;
    std::vector<std::string> blocks;
    for (Transcript::OpenCall const& open : history_.open_calls)
      blocks.push_back(open.result ? *open.result : missing_result_block(open));
    history_.messages.push_back(
        {model::Role::user, model::message_json(model::Role::user, blocks)});
    history_.open_calls.clear();
  }

  Transcript::History history_;
};

// An id that is stored in a file of the workspace becomes part of a path.
bool is_journal_id(std::string_view text) {
  if (text.empty() || text.size() > 80) return false;
  return std::ranges::all_of(
      text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

Result<std::string> journal_id(Transcript::Options const& options) {
  std::string const pointer =
      fmt::format("{}/sessions/{}.session", options.session_dir, options.session);
  auto const stored = os::read_file(pointer, 4096);
  if (stored && is_journal_id(trim(*stored))) return std::string{trim(*stored)};
  DROVER_TRY(os::make_folders(options.session_dir + "/sessions"));
  DROVER_TRY(os::write_file_atomic(pointer, options.session + "\n"));
  return options.session;
}

// Does not sync anew what is there already, because a unit that resumes should be quick. It comes
// to its place from the folder of sessions: what a kill leaves half-done must lie in none of the
// user's.
Status remember(std::string const& session_dir, std::string const& id) {
  std::string const path = session_dir + "/.session";
  std::string const content = id + "\n";
  auto const known = os::read_file(path, 4096);
  if (known && *known == content) return {};
  std::string const made = fmt::format("{}/sessions/{}.latest", session_dir, id);
  DROVER_TRY(os::write_file_atomic(made, content));
  if (::rename(made.c_str(), path.c_str()) != 0) return fail_errno("replace", path);
  return {};
}

Status lock(int fd, std::string const& path, Clock const& clock) {
  BootTime const deadline = clock.boot_now() + kLockWait;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return fail_errno("lock", path);
    if (clock.boot_now() >= deadline)
      return fail(ErrorCode::conflict, "the session's journal {} is in use by another process",
                  printable(path));
    std::this_thread::sleep_for(kLockPoll);
  }
  return {};
}

}  // namespace

std::string missing_result_block(Transcript::OpenCall const& open) {
  return model::tool_result_block(
      open.call.id,
      open.started
          ? "The agent's process ended while this call ran, so its outcome is unknown. Look at the "
            "state it was to change before repeating it."
          : "The agent's process ended before this call was started; it had no effect. Make it "
            "again if it is still needed.",
      model::ToolOutcome::error);
}

Transcript::Transcript(std::string folder, std::string id, Clock const& clock)
    : folder_(std::move(folder)),
      id_(std::move(id)),
      path_(fmt::format("{}/{}.jsonl", folder_, id_)),
      clock_(&clock) {}

Result<Transcript> Transcript::open(Options const& options, Clock const& clock) {
  std::string folder = options.session_dir + "/projects/-workspace";
  DROVER_TRY(os::make_folders(folder));
  auto id = journal_id(options);
  if (!id) return std::unexpected(id.error());
  Transcript transcript{std::move(folder), *std::move(id), clock};
  DROVER_TRY(transcript.open_file());
  DROVER_TRY(transcript.load());
  DROVER_TRY(remember(options.session_dir, transcript.id_));
  return transcript;
}

Status Transcript::open_file() {
  file_ = os::Fd{::open(path_.c_str(),
                        O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644)};
  if (!file_.valid()) return fail_errno("open", path_);
  struct stat info{};
  if (::fstat(file_.get(), &info) != 0) return fail_errno("inspect", path_);
  if (!S_ISREG(info.st_mode))
    return fail(ErrorCode::data_corrupt, "{} is not a regular file", printable(path_));
  return lock(file_.get(), path_, *clock_);
}

// Reads what is there, line by line.
struct Transcript::Reading {
  HistoryReader reader;
  std::uint64_t good_bytes = 0;  // up to the end of the last record that was taken
  std::optional<Error> bad;      // the record behind them
  std::string rest;              // a last line without its end
  bool damaged = false;          // more follows a bad record: this is no torn tail

  Status lines(std::string_view bytes) {
    rest += bytes;
    std::size_t begin = 0;
    for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      DROVER_TRY(line(std::string_view{rest}.substr(begin, end - begin)));
      begin = end + 1;
    }
    rest.erase(0, begin);
    if (rest.size() <= kRecordBytesMax) return {};
    return fail(ErrorCode::too_large, "a record of the journal is over the limit of {} bytes",
                kRecordBytesMax);
  }

  Status line(std::string_view text) {
    if (bad) {
      damaged = true;
      return {};
    }
    auto taken = reader.take(text);
    if (taken) {
      good_bytes += text.size() + 1;
    } else if (taken.error().code == ErrorCode::unsupported) {
      return taken;
    } else {
      bad = taken.error();
    }
    return {};
  }
};

Status Transcript::load() {
  Reading reading;
  std::vector<char> buffer(std::size_t{64} << 10U);
  for (;;) {
    ssize_t const got = ::read(file_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read", path_);
    if (got == 0) break;
    DROVER_TRY(reading.lines({buffer.data(), static_cast<std::size_t>(got)}));
  }
  if (reading.damaged || (reading.bad && !reading.rest.empty()))
    return begin_again(reading.bad->message);
  bool const torn = reading.bad || !reading.rest.empty();
  if (torn && ::ftruncate(file_.get(), static_cast<off_t>(reading.good_bytes)) != 0)
    return fail_errno("cut the torn end of", path_);
  history_ = reading.reader.finish();
  size_ = reading.good_bytes;
  if (torn)
    history_.notice = "the last record of the session's journal was torn and has been dropped";
  return reading.good_bytes == 0 ? write_first_record() : Status{};
}

Status Transcript::begin_again(std::string_view why) {
  std::string const aside = fmt::format("{}.damaged-{}", path_, to_unix_ms(clock_->now()));
  if (::rename(path_.c_str(), aside.c_str()) != 0) return fail_errno("move aside", path_);
  DROVER_TRY(open_file());
  size_ = 0;
  history_ = {};
  history_.notice = fmt::format(
      "the session's journal is damaged ({}); it was moved to {} and the conversation starts "
      "afresh",
      printable(why), aside);
  return write_first_record();
}

Status Transcript::write_first_record() {
  JsonWriter record = record_of("session");
  record.integer("v", 1);
  record.string("session", id_);
  return append(std::move(record).str());
}

JsonWriter Transcript::record_of(std::string_view type) const {
  JsonWriter record;
  record.string("type", type);
  record.string("at", to_rfc3339(clock_->now()));
  return record;
}

std::string Transcript::spill_path(std::string_view call_id) const {
  std::string name;
  for (char const c : call_id.substr(0, 80)) {
    bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    name += plain ? c : '-';
  }
  return fmt::format("{}/{}/tool-results/{}.txt", folder_, id_, name.empty() ? "call" : name);
}

Status Transcript::append(std::string record) {
  if (!broken_.empty())
    return fail(ErrorCode::data_corrupt, "the session's journal cannot be written: {}", broken_);
  record += '\n';
  unsynced_ = true;
  auto const written = os::write_all(file_.get(), record, path_);
  if (written) {
    size_ += record.size();
    return {};
  }
  // Half a record followed by whole ones would be damage; on its own it is a torn tail.
  if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) broken_ = written.error().message;
  return written;
}

Status Transcript::sync() {
  if (!unsynced_) return {};
  if (::fdatasync(file_.get()) != 0) return fail_errno("sync", path_);
  unsynced_ = false;
  return {};
}

Status Transcript::user(std::string_view turn_id, UserKind kind, std::string_view message) {
  JsonWriter record = record_of("user");
  record.string("turn", turn_id);
  record.string("kind", kind == UserKind::prompt ? "prompt" : "note");
  record.raw("message", message);
  return append(std::move(record).str());
}

Status Transcript::assistant(model::Response const& response, std::string_view message) {
  JsonWriter usage;
  usage.integer("input", response.usage.input);
  usage.integer("output", response.usage.output);
  usage.integer("cache_read", response.usage.cache_read);
  usage.integer("cache_write", response.usage.cache_write_5m + response.usage.cache_write_1h);
  JsonWriter record = record_of("assistant");
  record.string("id", response.id);
  record.string("model", response.model);
  record.string("stop_reason", model::to_string(response.stop_reason));
  record.raw("usage", std::move(usage).str());
  record.raw("message", message);
  return append(std::move(record).str());
}

Status Transcript::intent(std::string_view call_id) {
  JsonWriter record = record_of("intent");
  record.string("call", call_id);
  DROVER_TRY(append(std::move(record).str()));
  return sync();
}

Status Transcript::result(std::string_view call_id, std::string_view block) {
  JsonWriter record = record_of("result");
  record.string("call", call_id);
  record.raw("block", block);
  return append(std::move(record).str());
}

Status Transcript::end(std::string_view turn_id, TurnOutcome const& outcome) {
  JsonWriter record = record_of("end");
  record.string("turn", turn_id);
  record.string("reason", to_string(outcome.reason));
  record.integer("turns", outcome.turns);
  record.string("reply", outcome.reply);
  record.string("detail", outcome.detail);
  DROVER_TRY(append(std::move(record).str()));
  return sync();
}

}  // namespace drover::agent
