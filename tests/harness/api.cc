#include "harness/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "net/sse.h"

namespace drover::harness {

namespace {

json::object const* error_of(Reply const& reply) {
  auto const* const error = reply.body.if_contains("error");
  return error == nullptr ? nullptr : error->if_object();
}

Reply reply_of(Result<net::HttpResponse> response) {
  if (!response) throw std::runtime_error(response.error().text());
  Reply reply;
  reply.status = response->status;
  reply.text = std::move(response->body);
  reply.headers = std::move(response->headers);
  auto value = parse_json(reply.text);
  if (value && value->is_object()) reply.body = std::move(value->as_object());
  return reply;
}

Event event_of(net::SseEvent const& sse) {
  Event event;
  event.type = sse.event;
  std::from_chars(sse.id.data(), sse.id.data() + sse.id.size(), event.id);
  auto value = parse_json(sse.data);
  if (!value || !value->is_object())
    throw std::runtime_error(fmt::format("the event {} is no JSON object: {}", sse.id, sse.data));
  event.data = std::move(value->as_object());
  return event;
}

}  // namespace

std::string Reply::error_code() const {
  auto const* const error = error_of(*this);
  return error == nullptr ? "" : text_of(*error, "code");
}

std::string Reply::error_text() const {
  auto const* const error = error_of(*this);
  return error == nullptr ? text : text_of(*error, "message") + "; " + text_of(*error, "next");
}

std::string Reply::error_pointer() const {
  auto const* const error = error_of(*this);
  return error == nullptr ? "" : text_of(*error, "pointer");
}

net::ClientRequest Api::request(std::string method, std::string const& path) const {
  net::ClientRequest request;
  request.method = std::move(method);
  request.url = url_ + path;
  request.headers = {{"authorization", "Bearer " + token_}};
  request.timeouts.total = Millis{30'000};
  return request;
}

Reply Api::get(std::string const& path) {
  return send(request("GET", path));
}

Reply Api::post(std::string const& path, json::object const& body, net::Headers const& more) {
  return post_text(path, json::serialize(body), more);
}

Reply Api::post_text(std::string const& path, std::string body, net::Headers const& more) {
  auto wanted = request("POST", path);
  wanted.headers.add("content-type", "application/json");
  for (auto const& header : more)
    wanted.headers.add(header.name, header.value);
  wanted.body = std::move(body);
  return send(std::move(wanted));
}

Reply Api::put(std::string const& path, json::object const& body) {
  auto wanted = request("PUT", path);
  wanted.headers.add("content-type", "application/json");
  wanted.body = json::serialize(body);
  return send(std::move(wanted));
}

Reply Api::erase(std::string const& path) {
  return send(request("DELETE", path));
}

Reply Api::send(net::ClientRequest request) {
  return reply_of(http_.request(request));
}

Stream Api::stream(RunRef const& run, StreamOptions const& options) {
  auto wanted =
      request("GET", fmt::format("/api/v1/sessions/{}/runs/{}/events", run.session, run.run));
  wanted.timeouts.total = options.deadline;
  if (options.last_event_id)
    wanted.headers.add("last-event-id", fmt::to_string(*options.last_event_id));
  Stream stream;
  stream.last_id = options.last_event_id.value_or(0);
  net::SseParser parser;
  std::size_t taken = 0;
  bool cut = false;
  auto const take = [&](std::string_view bytes) {
    bytes = bytes.substr(0, options.cut_after_bytes - taken);
    taken += bytes.size();
    auto events = parser.feed(bytes);
    if (!events) throw std::runtime_error(events.error().text());
    for (net::SseEvent const& sse : *events) {
      stream.events.push_back(event_of(sse));
      stream.last_id = stream.events.back().id;
      cut = cut || (options.until && options.until(stream.events.back()));
      if (cut) break;
    }
    cut = cut || taken >= options.cut_after_bytes;
    return cut ? net::StreamStep::stop : net::StreamStep::more;
  };
  net::BlockingHttp connection;  // its own: closing it is the cut
  auto const answer = connection.stream(wanted, take);
  if (!answer && answer.error().code != ErrorCode::timeout)
    throw std::runtime_error(answer.error().text());
  stream.status = answer ? answer->status : 0;
  stream.ended = answer && !cut;
  return stream;
}

std::vector<Event> Api::events(RunRef const& run, Millis deadline) {
  StreamOptions options;
  options.deadline = deadline;
  Stream stream = this->stream(run, options);
  if (!stream.ended)
    throw std::runtime_error(fmt::format("the stream of {} did not end; {} events, the last is {}",
                                         run.run, stream.events.size(),
                                         stream.events.empty() ? "" : stream.events.back().type));
  return std::move(stream.events);
}

bool Api::await_event(RunRef const& run, std::string_view type, std::size_t count) {
  StreamOptions options;
  std::size_t seen = 0;
  options.until = [&](Event const& event) { return event.type == type && ++seen == count; };
  (void)stream(run, options);
  return seen == count;
}

RunRef Api::ref_of(Reply const& reply) const {
  if (reply.status != 202)
    throw std::runtime_error(fmt::format("the dispatch got {}: {}", reply.status, reply.text));
  return {text_of(reply.body, "run"), text_of(reply.body, "session")};
}

RunRef Api::dispatch(json::object const& invocation) {
  return ref_of(post("/api/v1/runs", invocation));
}

RunRef Api::send_message(std::string const& session, std::string const& prompt,
                         json::object limits) {
  json::object body{{"prompt", json::string{prompt}}};
  if (!limits.empty()) body["limits"] = std::move(limits);
  return ref_of(post(fmt::format("/api/v1/sessions/{}/messages", session), body));
}

json::object Api::run(std::string const& run) {
  return get("/api/v1/runs/" + run).body;
}

std::string Api::add_workspace(std::string const& path) {
  auto const reply = post("/api/v1/workspaces", {{"path", json::string{path}}});
  if (reply.status != 201 && reply.status != 200)
    throw std::runtime_error(fmt::format("the workspace got {}: {}", reply.status, reply.text));
  return text_of(reply.body, "id");
}

std::string fault_of(std::vector<Event> const& events, std::string_view run, std::int64_t first) {
  std::int64_t next = first;
  for (Event const& event : events) {
    if (event.id != next) return fmt::format("event {} comes where {} was due", event.id, next);
    if (integer_or(event.data, "seq", -1) != next)
      return fmt::format("event {} has another seq", next);
    if (text_of(event.data, "type") != event.type)
      return fmt::format("event {} has two types", next);
    if (text_of(event.data, "run") != run) return fmt::format("event {} is of another run", next);
    ++next;
  }
  if (count_of(events, "turn-complete") != 1)
    return fmt::format("{} terminal events", count_of(events, "turn-complete"));
  if (events.back().type != "turn-complete") return "events behind turn-complete";
  return {};
}

std::size_t count_of(std::vector<Event> const& events, std::string_view type) {
  return static_cast<std::size_t>(
      std::ranges::count_if(events, [&](Event const& event) { return event.type == type; }));
}

json::object const& last_of(std::vector<Event> const& events, std::string_view type) {
  for (auto event = events.rbegin(); event != events.rend(); ++event)
    if (event->type == type) return event->data;
  throw std::runtime_error(fmt::format("there is no event {}", type));
}

std::string text_of(json::object const& object, std::string_view key) {
  return std::string{string_or(object, key, "")};
}

}  // namespace drover::harness
