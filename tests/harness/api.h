#pragma once
// A client of the HTTP API for tests: JSON in and out, and server-sent events over a connection of
// its own that can be cut at any byte. Throws std::runtime_error when the server does not answer.
// Not thread-safe.
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "net/blocking_http.h"

namespace drover::harness {

struct Reply {
  int status = 0;
  json::object body;  // empty where the answer is no JSON object
  std::string text;
  net::Headers headers;

  [[nodiscard]] std::string error_code() const;
  [[nodiscard]] std::string error_text() const;  // message and next step
  [[nodiscard]] std::string error_pointer() const;
};

struct RunRef {
  std::string run;
  std::string session;
};

struct Event {
  std::int64_t id = 0;
  std::string type;
  json::object data;
};

struct StreamOptions {
  std::optional<std::int64_t> last_event_id;
  std::size_t cut_after_bytes = SIZE_MAX;   // closes the connection there
  std::function<bool(Event const&)> until;  // closes the connection when it says true
  Millis deadline{20'000};
};

struct Stream {
  int status = 0;
  std::vector<Event> events;
  std::int64_t last_id = 0;
  bool ended = false;  // by the server
};

class Api {
 public:
  Api(std::string url, std::string token) : url_(std::move(url)), token_(std::move(token)) {}

  [[nodiscard]] Reply get(std::string const& path);
  [[nodiscard]] Reply post(std::string const& path, json::object const& body,
                           net::Headers const& more = {});
  [[nodiscard]] Reply post_text(std::string const& path, std::string body,
                                net::Headers const& more = {});
  [[nodiscard]] Reply put(std::string const& path, json::object const& body);
  [[nodiscard]] Reply erase(std::string const& path);
  // As it is, without a token and any header but those given.
  [[nodiscard]] Reply send(net::ClientRequest request);

  [[nodiscard]] Stream stream(RunRef const& run, StreamOptions const& options = {});
  // To the end of the run.
  [[nodiscard]] std::vector<Event> events(RunRef const& run, Millis deadline = Millis{20'000});
  // Waits for an event of the type; false at the end of the run or at the deadline.
  [[nodiscard]] bool await_event(RunRef const& run, std::string_view type, std::size_t count = 1);

  [[nodiscard]] RunRef dispatch(json::object const& invocation);
  [[nodiscard]] RunRef send_message(std::string const& session, std::string const& prompt,
                                    json::object limits = {});
  [[nodiscard]] json::object run(std::string const& run);
  // The id of the folder's workspace.
  [[nodiscard]] std::string add_workspace(std::string const& path);

  [[nodiscard]] std::string const& url() const { return url_; }
  [[nodiscard]] std::string const& token() const { return token_; }

 private:
  [[nodiscard]] net::ClientRequest request(std::string method, std::string const& path) const;
  [[nodiscard]] RunRef ref_of(Reply const& reply) const;
  std::string url_;
  std::string token_;
  net::BlockingHttp http_;
};

// Empty when the events are those of one whole run: numbered from `first` without gap or repeat,
// all of that run, and with turn-complete as the last and the only one; otherwise what is wrong.
[[nodiscard]] std::string fault_of(std::vector<Event> const& events, std::string_view run,
                                   std::int64_t first = 1);
[[nodiscard]] std::size_t count_of(std::vector<Event> const& events, std::string_view type);
// The last event of the type; throws where there is none.
[[nodiscard]] json::object const& last_of(std::vector<Event> const& events, std::string_view type);
[[nodiscard]] std::string text_of(json::object const& object, std::string_view key);

}  // namespace drover::harness
