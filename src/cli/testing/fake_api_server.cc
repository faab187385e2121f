#include "cli/testing/fake_api_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/check.h"
#include "base/json.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::cli {

namespace {

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the client has gone; its test looks at what it got
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void reply(int fd, int status, std::string const& body) {
  send_all(fd, fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\n"
                           "Content-Length: {}\r\n\r\n{}",
                           status, body.size(), body));
}

std::string error_json(std::string_view code, std::string_view message, std::string_view next) {
  return json::serialize(
      json::object{{"error", json::object{{"code", code}, {"message", message}, {"next", next}}}});
}

bool read_request(int fd, std::string& buffer, FakeRequest& request) {
  std::array<char, 4096> chunk{};
  auto const more = [&] {
    ssize_t const got = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (got <= 0) return false;
    buffer.append(chunk.data(), static_cast<std::size_t>(got));
    return true;
  };
  while (!buffer.contains("\r\n\r\n"))
    if (!more()) return false;
  auto const head_end = buffer.find("\r\n\r\n");
  std::string const head = buffer.substr(0, head_end);
  buffer.erase(0, head_end + 4);
  auto const lines = split(head, '\n');
  auto const words = split(lines.front(), ' ');
  request.method = words.at(0);
  request.target = words.at(1);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    auto const colon = lines[i].find(':');
    std::string name{lines[i].substr(0, colon)};
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    request.headers[name] = trim(lines[i].substr(colon + 1));
  }
  std::size_t length = 0;
  if (auto const at = request.headers.find("content-length"); at != request.headers.end())
    std::from_chars(at->second.data(), at->second.data() + at->second.size(), length);
  while (buffer.size() < length)
    if (!more()) return false;
  request.body = buffer.substr(0, length);
  buffer.erase(0, length);
  return true;
}

constexpr std::string_view kCommits =
    R"([{"workspace":"app","sha":"1a2b3c4d5e6f","branch":"main","files":1,"insertions":1,)"
    R"("deletions":1,"subject":"Fix the slug"}])";

std::string run_json(std::string_view state) {
  return fmt::format(
      R"({{"id":"run-1","session":"ses-1","agent":"dev","model":"scripted:demo","state":"{}",)"
      R"("reason":"completed","prompt":"make it \u001b[31mred","created_at":)"
      R"("2026-01-01T00:00:00Z","finished_at":"2026-01-01T00:00:12Z","turns":2,"commits":{},)"
      R"("usage":{{"input":1200,"output":34,"cache_read":0,"cache_write":0,"cost_usd":0.0123}}}})",
      state, kCommits);
}

}  // namespace

FakeApiServer::FakeApiServer(std::string token) : token_(std::move(token)) {
  resume();
}

FakeApiServer::~FakeApiServer() {
  pause();
}

std::string FakeApiServer::url() const {
  std::scoped_lock const lock{mutex_};
  return fmt::format("http://127.0.0.1:{}", port_);
}

void FakeApiServer::publish(std::string const& state_folder) const {
  auto const written = os::write_file_atomic(
      state_folder + "/server.json",
      fmt::format(R"({{"url":"{}","token":"{}","pid":{}}})", url(), token_, ::getpid()), 0600);
  DROVER_CHECK(written.has_value());
}

void FakeApiServer::resume() {
  std::scoped_lock const lock{mutex_};
  closing_ = false;
  listen_on_free_port();
  threads_.emplace_back([this, fd = listener_.get()] { accept_loop(fd); });
}

void FakeApiServer::pause() {
  std::unique_lock lock{mutex_};
  closing_ = true;
  if (listener_.valid()) ::shutdown(listener_.get(), SHUT_RDWR);
  for (int const fd : open_)
    ::shutdown(fd, SHUT_RDWR);
  changed_.notify_all();
  while (!threads_.empty()) {
    std::thread thread = std::move(threads_.back());
    threads_.pop_back();
    lock.unlock();
    thread.join();
    lock.lock();
  }
  listener_.reset();
}

void FakeApiServer::listen_on_free_port() {
  listener_ = os::Fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  DROVER_CHECK(::bind(listener_.get(), generic, sizeof address) == 0);
  DROVER_CHECK(::listen(listener_.get(), 16) == 0);
  socklen_t length = sizeof address;
  DROVER_CHECK(::getsockname(listener_.get(), generic, &length) == 0);
  port_ = ntohs(address.sin_port);
}

void FakeApiServer::accept_loop(int listener) {
  for (;;) {
    int const fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    std::scoped_lock const lock{mutex_};
    if (fd < 0) return;
    if (closing_) {
      ::close(fd);
      return;
    }
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void FakeApiServer::serve(int fd) {
  std::string buffer;
  for (;;) {
    FakeRequest request;
    if (!read_request(fd, buffer, request)) break;
    {
      std::scoped_lock const lock{mutex_};
      requests_.push_back(request);
    }
    answer(fd, request);
    // Streams end by closing the connection.
    if (request.target.contains("/events")) break;
  }
  std::scoped_lock const lock{mutex_};
  std::erase(open_, fd);
  ::close(fd);
}

void FakeApiServer::answer(int fd, FakeRequest const& request) {
  std::string_view target = request.target;
  if (target == "/readyz") return reply(fd, 200, "{}");
  auto const authorization = request.headers.find("authorization");
  if (authorization == request.headers.end() || authorization->second != "Bearer " + token_)
    return reply(fd, 401, error_json("unauthenticated", "the token does not hold", ""));
  target.remove_prefix(std::min<std::size_t>(target.size(), 7));  // "/api/v1"
  auto const path = target.substr(0, target.find('?'));
  if (request.method == "POST" && path == "/workspaces")
    return reply(fd, 201, R"({"id":"app","path":"/srv/app","branch":"main","head":"1a2b3c4d5e"})");
  if (path == "/workspaces")
    return reply(fd, 200,
                 R"({"workspaces":[{"id":"app","path":"/srv/app","branch":"main",)"
                 R"("head":"1a2b3c4d5e","dirty":true,"writer":null}]})");
  if (request.method == "DELETE") return reply(fd, 200, "");
  if (request.method == "POST" && path == "/runs") {
    auto const body = json::parse(request.body);
    return dispatch(fd, request,
                    std::string{body.at("start").at("entrypoint").at("inline").as_string()});
  }
  if (request.method == "POST" && path == "/sessions/ses-1/messages")
    return dispatch(fd, request, std::string{json::parse(request.body).at("prompt").as_string()});
  if (path == "/runs")
    return reply(fd, 200, fmt::format(R"({{"runs":[{}],"next":null}})", run_json("succeeded")));
  if (path == "/runs/run-1") return reply(fd, 200, run_json("running"));
  if (path == "/runs/run-1/diff")
    return reply(fd, 200,
                 R"({"run":"run-1","diff":"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n)"
                 R"(-old\n+new \u001b]0;title\u0007\n","truncated":false,"commits":[]})");
  if (path == "/runs/run-1/cancel") {
    std::scoped_lock const lock{mutex_};
    cancelled_ = true;
    changed_.notify_all();
    return reply(fd, 202, run_json("cancelled"));
  }
  if (path == "/sessions/ses-1/land")
    return reply(fd, 409,
                 R"({"error":{"code":"conflict","message":"the branches conflict",)"
                 R"("next":"merge by hand","conflicts":["a.txt","b.txt"]}})");
  if (path == "/sessions")
    return reply(fd, 200,
                 R"({"sessions":[{"id":"ses-1","state":"parked","runs":2,"branch":null,)"
                 R"("last_run":"run-1","workspaces":[{"id":"app"}]}],"next":null})");
  if (path == "/sessions/ses-1") return reply(fd, 200, R"({"id":"ses-1","last_run":"run-1"})");
  if (path == "/sessions/ses-1/runs/run-1/events") return stream(fd, request);
  reply(fd, 404,
        error_json("not_found", fmt::format("there is nothing at {}", path), "see drover ps"));
}

void FakeApiServer::dispatch(int fd, FakeRequest const&, std::string const& prompt) {
  if (prompt == "dirty")
    return reply(fd, 409,
                 error_json("conflict", "the workspace app has uncommitted changes",
                            "use --worktree or --allow-dirty"));
  {
    std::scoped_lock const lock{mutex_};
    prompt_ = prompt;
    cancelled_ = false;
  }
  reply(fd, 202,
        R"({"run":"run-1","session":"ses-1","state":"queued",)"
        R"("events":"/api/v1/sessions/ses-1/runs/run-1/events"})");
}

std::vector<std::string> FakeApiServer::events_of(std::string const& prompt) const {
  std::vector<std::string> events = {
      R"("type":"state","from":"queued","to":"running")",
      R"("type":"message-delta","text":"Looking at "})",
      R"("type":"message-delta","text":"the test.\n"})",
      R"("type":"tool-call","tool":"Bash","args":{"command":"make test"},"callId":"c1"})",
      R"("type":"tool-result","callId":"c1","ok":true,"summary":"1 passed","ms":12})",
      R"("type":"usage","input":1200,"output":34,"cost_usd":0.0123})",
  };
  events.front() += '}';
  if (prompt == "slow") return events;
  if (prompt == "wait") {
    events.emplace_back(R"("type":"state","from":"running","to":"waiting","reason":"approval"})");
    return events;
  }
  if (prompt == "ask") {
    events.emplace_back(
        R"("type":"question","id":"call-1","text":"Which one?","options":["left","right"]})");
    events.emplace_back(
        R"("type":"state","from":"running","to":"waiting","reason":"waiting_input"})");
    return events;
  }
  if (prompt == "fail") {
    events.emplace_back(
        R"("type":"turn-complete","state":"failed","reason":"model_error","detail":"no luck"})");
    return events;
  }
  events.push_back(fmt::format(
      R"("type":"turn-complete","state":"succeeded","reason":"completed","turns":2,"commits":{},)"
      R"("usage":{{"input":1200,"output":34,"cost_usd":0.0123}},)"
      R"("phases":{{"queue_ms":3,"start_ms":31,"model_ms":8100,"tool_ms":12,"commit_ms":22,)"
      R"("total_ms":8200}}}})",
      kCommits));
  return events;
}

void FakeApiServer::stream(int fd, FakeRequest const& request) {
  std::size_t after = 0;
  if (auto const at = request.headers.find("last-event-id"); at != request.headers.end())
    std::from_chars(at->second.data(), at->second.data() + at->second.size(), after);
  send_all(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
  std::string prompt;
  {
    std::scoped_lock const lock{mutex_};
    prompt = prompt_;
  }
  auto const events = events_of(prompt);
  auto const text_of = [&](std::size_t i) {
    return fmt::format(
        "id: {0}\nevent: x\ndata: {{\"seq\":{0},\"at\":\"2026-01-01T00:00:00.000Z\","
        "\"run\":\"run-1\",\"epoch\":1,\"turn_id\":\"run-1\",{1}\n\n",
        i + 1, events[i]);
  };
  std::size_t sent = 0;
  for (std::size_t i = after; i < events.size(); ++i) {
    std::string const text = text_of(i);
    if (prompt == "cut" && sent == 2) return send_all(fd, text.substr(0, text.size() / 2));
    send_all(fd, text);
    ++sent;
    std::scoped_lock const lock{mutex_};
    ++events_sent_;
    changed_.notify_all();
  }
  if (prompt != "slow" && prompt != "wait" && prompt != "ask") return;
  if (request.target.ends_with("?follow=false")) return;
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] { return cancelled_ || closing_; });
  lock.unlock();
  send_all(fd,
           "id: 7\ndata: {\"seq\":7,\"type\":\"turn-complete\",\"state\":\"cancelled\","
           "\"reason\":\"cancelled_by_user\"}\n\n");
}

std::vector<FakeRequest> FakeApiServer::requests() const {
  std::scoped_lock const lock{mutex_};
  return requests_;
}

bool FakeApiServer::wait_for_events(int count) const {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, std::chrono::seconds{10}, [&] { return events_sent_ >= count; });
}

}  // namespace drover::cli
