#include "chaos_clients.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <utility>

#include <boost/json.hpp>

#include "api_server.h"
#include "base/random.h"
#include "base/text.h"
#include "chaos_audit.h"
#include "machine.h"
#include "net/blocking_http.h"
#include "net/sse.h"

namespace drover::bench {

namespace {

using std::chrono::steady_clock;

// Between two tries to reach a server that is being started again.
constexpr Millis kRetry{15};
// Of one answer, and of one run with all its attempts.
constexpr Millis kHeadWait{30'000};
constexpr std::chrono::seconds kPatience{180};
constexpr std::int64_t kIdleSeconds = 2;
constexpr int kUnauthenticated = 401;
constexpr int kConflict = 409;
constexpr int kServerError = 500;

struct Request {
  std::string key;
  std::string path;
  std::string body;
};

struct Accepted {
  std::string run;
  std::string session;
  std::string events;  // path
};

// While ours is dead, another server of this machine may have taken its port.
bool of_our_server(int status) {
  return status < kServerError && status != kUnauthenticated;
}

class Client {
 public:
  Client(Traffic const& traffic, int number, Guarded<Book>& book, std::atomic<bool> const& closing)
      : traffic_(traffic),
        number_(number),
        random_(traffic.seed * 1000 + static_cast<std::uint64_t>(number)),
        book_(book),
        closing_(closing),
        http_(&interrupted()) {}

  void work() {
    while (!closing_ && !interrupted()) {
      auto const accepted = ask(next_request());
      if (accepted) follow(*accepted);
    }
  }

 private:
  Request next_request();
  json::object limits() const { return {{"max_turns", 50}, {"idle_s", kIdleSeconds}}; }
  json::object invocation();
  std::optional<Accepted> ask(Request const& request);
  void follow(Accepted const& run);
  struct Progress {
    std::string last_id;
    bool ended = false;
  };
  void follow_once(Accepted const& run, Progress& progress);
  void refused(std::string what) { book_.lock()->refusals.push_back(std::move(what)); }
  template <class T>
  T const& any(std::vector<T> const& all) {
    return all[static_cast<std::size_t>(random_.below(all.size()))];
  }

  Traffic const traffic_;
  int const number_;
  SeededRandom random_;
  Guarded<Book>& book_;
  std::atomic<bool> const& closing_;
  net::BlockingHttp http_;
  int asked_ = 0;
  std::string session_;  // of the last run that ended
};

// Most write where the user works, some beside it on a branch, some only read.
json::object Client::invocation() {
  json::object grant{{"id", json::string{any(traffic_.workspaces)}}, {"mode", "rw"}};
  auto const kind = random_.below(8);
  if (kind == 0) grant["mode"] = "ro";
  if (kind == 1 || kind == 2) grant["checkout"] = "worktree";
  return {{"identity", {{"subject", "bench"}, {"launcher", "user:bench"}}},
          {"runner", "native"},
          {"workspaces", json::array{std::move(grant)}},
          {"trigger", "message"},
          {"start", {{"entrypoint", {{"inline", "Begin."}}}}},
          {"model", json::string{any(traffic_.models)}},
          {"limits", limits()}};
}

Request Client::next_request() {
  Request request;
  request.key = fmt::format("client-{}-{}", number_, ++asked_);
  if (!session_.empty() && random_.below(3) == 0) {
    request.path = fmt::format("/api/v1/sessions/{}/messages", session_);
    request.body = json::serialize(json::object{{"prompt", "Go on."}, {"limits", limits()}});
    return request;
  }
  request.path = "/api/v1/runs";
  request.body = json::serialize(invocation());
  return request;
}

// The same key until there is an answer: what became of an earlier try nobody knows.
std::optional<Accepted> Client::ask(Request const& request) {
  auto const deadline = steady_clock::now() + kPatience;
  for (; steady_clock::now() < deadline && !interrupted(); std::this_thread::sleep_for(kRetry)) {
    auto const address = address_in(traffic_.state_folder);
    if (!address) continue;
    net::ClientRequest wanted;
    wanted.method = "POST";
    wanted.url = address->url + request.path;
    wanted.headers = {{"Authorization", address->authorization},
                      {"Content-Type", "application/json"},
                      {"Idempotency-Key", request.key}};
    wanted.body = request.body;
    wanted.timeouts.head = kHeadWait;
    auto const response = http_.request(wanted);
    if (!response || !of_our_server(response->status)) continue;
    auto const value = parse_json(response->body);
    if (response->status / 100 != 2 || !value) {
      refused(fmt::format("{} {}: {} {}", request.key, request.path, response->status,
                          printable(response->body, 300)));
      if (response->status == kConflict) session_.clear();
      return std::nullopt;
    }
    auto const& object = value->as_object();
    Accepted accepted{std::string{string_or(object, "run", "")},
                      std::string{string_or(object, "session", "")},
                      std::string{string_or(object, "events", "")}};
    book_.lock()->account.accepted(request.key, accepted.run);
    return accepted;
  }
  refused(fmt::format("{} {}: no answer in {} s", request.key, request.path, kPatience.count()));
  return std::nullopt;
}

void Client::follow(Accepted const& run) {
  auto const deadline = steady_clock::now() + kPatience;
  Progress progress;
  while (!progress.ended && steady_clock::now() < deadline && !interrupted()) {
    follow_once(run, progress);
    if (!progress.ended) std::this_thread::sleep_for(kRetry);
  }
  if (progress.ended)
    session_ = run.session;
  else
    refused(fmt::format("{} has not ended after {} s", run.run, kPatience.count()));
}

// Over one connection, which ends with the run or with the server.
void Client::follow_once(Accepted const& run, Progress& progress) {
  auto const address = address_in(traffic_.state_folder);
  if (!address) return;
  net::ClientRequest request;
  request.url = address->url + run.events;
  request.headers = {{"Authorization", address->authorization}};
  if (!progress.last_id.empty()) request.headers.add("Last-Event-ID", progress.last_id);
  request.timeouts.head = kHeadWait;
  net::SseParser parser;
  auto const on_bytes = [&](std::string_view bytes) {
    auto const events = parser.feed(bytes);
    if (!events) return net::StreamStep::stop;
    auto book = book_.lock();
    for (net::SseEvent const& event : *events) {
      progress.last_id = event.id;
      progress.ended = event.event == "turn-complete";
      book->account.shown(run.run, seq_of(event), event.data);
    }
    return net::StreamStep::more;
  };
  auto const response = http_.stream(request, on_bytes);
  if (response && response->status / 100 == 4 && of_our_server(response->status))
    refused(fmt::format("{}: {} {}", run.events, response->status, printable(response->body, 300)));
}

}  // namespace

ChaosClients::ChaosClients(Traffic traffic, Guarded<Book>& book) {
  for (int number = 0; number < traffic.clients; ++number)
    threads_.emplace_back([this, traffic, number, &book] {
      Client client{traffic, number, book, closing_};
      client.work();
    });
}

ChaosClients::~ChaosClients() {
  closing_ = true;
}

void ChaosClients::finish() {
  closing_ = true;
  threads_.clear();
}

}  // namespace drover::bench
