// The HTTP API over real sockets, by a client that is not drover's own command.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"

namespace drover::harness {
namespace {

constexpr std::string_view kTalk = R"([
  {"text": ["One ", "two ", "three."], "delta_delay_ms": 20,
   "tool_calls": [{"name": "Bash", "input": {"command": "echo hello > hello.txt"}}]},
  {"text": "Done."}, {"text": "Again."}])";

TEST(Api, EventsResumeFromAnyByteWithoutGapOrRepeat) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const run = api.dispatch(
      World::invocation(api.add_workspace(repository.path()), world.model(kTalk), "go"));
  // While the run is under way: cut again and again, each time after a few bytes more.
  std::vector<Event> pieced;
  StreamOptions options;
  std::size_t cut = 1;
  bool ended = false;
  for (int connection = 0; !ended && connection < 500; ++connection) {
    options.cut_after_bytes = cut;
    options.last_event_id = pieced.empty() ? std::nullopt : std::optional{pieced.back().id};
    auto const part = api.stream(run, options);
    ASSERT_EQ(part.status, 200);
    pieced.insert(pieced.end(), part.events.begin(), part.events.end());
    cut = cut < 700 ? cut + 137 : 200;
    ended = part.ended;
  }
  EXPECT_TRUE(ended);
  EXPECT_EQ(fault_of(pieced, run.run), "");

  // Afterwards: the same events, whole and behind each number.
  auto const whole = api.events(run);
  ASSERT_EQ(fault_of(whole, run.run), "");
  ASSERT_EQ(whole.size(), pieced.size());
  for (std::size_t i = 0; i < whole.size(); ++i)
    EXPECT_EQ(whole[i].data, pieced[i].data);
  for (std::int64_t after = 0; after < static_cast<std::int64_t>(whole.size()); ++after) {
    options.cut_after_bytes = SIZE_MAX;
    options.last_event_id = after;
    auto const rest = api.stream(run, options);
    EXPECT_TRUE(rest.ended);
    EXPECT_EQ(fault_of(rest.events, run.run, after + 1), "");
    EXPECT_EQ(rest.events.size(), whole.size() - static_cast<std::size_t>(after));
  }
  options.last_event_id = static_cast<std::int64_t>(whole.size());
  auto const none = api.stream(run, options);
  EXPECT_TRUE(none.ended);
  EXPECT_TRUE(none.events.empty());
}

TEST(Api, WhatIsThereNowIsToldAndThenTheStreamEnds) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const run = api.dispatch(
      World::invocation(api.add_workspace(repository.path()),
                        world.model(R"([{"tool_calls": [{"name": "Bash", "input": {"command":
        "while [ ! -e gate ]; do sleep 0.02; done; rm gate"}}]}, {"text": "Through."}])"),
                        "go"));
  ASSERT_TRUE(api.await_event(run, "tool-call"));
  std::string const path = "/api/v1/sessions/" + run.session + "/runs/" + run.run + "/events";
  auto const live = api.get(path + "?follow=false");
  EXPECT_EQ(live.status, 200);
  EXPECT_TRUE(live.text.contains("event: tool-call")) << live.text;
  EXPECT_FALSE(live.text.contains("event: turn-complete")) << live.text;
  EXPECT_EQ(api.get(path + "?follow=maybe").status, 400);
  auto const shown = world.drover({"events", "--json", run.run});
  EXPECT_EQ(shown.exit_code, 0) << shown.text();
  EXPECT_EQ(text_of(shown.lines().back(), "type"), "tool-call") << shown.out;
  EXPECT_EQ(shown.err, "");

  repository.write("gate", "");
  (void)api.events(run);
  auto const whole = world.drover({"events", "--json", run.run});
  EXPECT_EQ(text_of(whole.lines().back(), "type"), "turn-complete") << whole.out;
}

TEST(Api, EventsThatAreNoLongerKeptAreToldAndTheRunStaysReadable) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  RunRef run;
  {
    Api api = world.api();
    run = api.dispatch(
        World::invocation(api.add_workspace(repository.path()), world.model(kTalk), "go"));
    ASSERT_GT(api.events(run).size(), 3U);
  }
  world.stop_server();
  world.set_variable("DROVER_KEEP_EVENTS_MAX", "2");
  world.serve();
  ASSERT_TRUE(eventually([&] { return world.server_log().contains("events-trimmed"); }));
  auto const shown = world.drover({"events", "--json", run.run});
  EXPECT_EQ(shown.exit_code, 0) << shown.text();
  EXPECT_EQ(shown.lines().size(), 2U) << shown.out;
  EXPECT_TRUE(shown.err.contains("no longer kept")) << shown.err;
  EXPECT_EQ(world.drover({"attach", run.run}).exit_code, 0);
  EXPECT_EQ(text_of(world.api().run(run.run), "state"), "succeeded");
}

TEST(Api, NothingIsSaidWithoutTheToken) {
  World world;
  world.serve();
  Api api = world.api();
  for (std::string const& path : {std::string{"/api/v1/runs"}, std::string{"/api/v1/sessions"},
                                  std::string{"/api/v1/workspaces"}, std::string{"/api/v1/nothing"},
                                  std::string{"/api/v1/openapi.json"}}) {
    net::ClientRequest bare;
    bare.url = api.url() + path;
    EXPECT_EQ(api.send(bare).status, 401) << path;
    bare.headers = {{"authorization", "Bearer " + std::string(api.token().size(), 'x')}};
    auto const wrong = api.send(bare);
    EXPECT_EQ(wrong.status, 401) << path;
    EXPECT_EQ(wrong.error_code(), "unauthenticated");
  }
  net::ClientRequest open;
  open.url = api.url() + "/healthz";
  EXPECT_EQ(api.send(open).status, 200);
}

TEST(Api, AWebPageOfAnotherSiteIsRefused) {
  World world;
  world.serve();
  Api api = world.api();
  auto const with = [&](std::string const& name, std::string const& value) {
    net::ClientRequest request;
    request.url = api.url() + "/api/v1/runs";
    request.headers = {{"authorization", "Bearer " + api.token()}, {name, value}};
    return api.send(request).status;
  };
  EXPECT_EQ(with("host", "evil.example"), 403);
  EXPECT_EQ(with("host", "evil.example:80"), 403);
  EXPECT_EQ(with("origin", "http://evil.example"), 403);
  EXPECT_EQ(with("origin", "null"), 403);
  EXPECT_EQ(with("origin", api.url()), 200);

  net::ClientRequest form;
  form.method = "POST";
  form.url = api.url() + "/api/v1/runs";
  form.headers = {{"authorization", "Bearer " + api.token()}, {"content-type", "text/plain"}};
  form.body = "{}";
  EXPECT_EQ(api.send(form).status, 403);
}

TEST(Api, AnIdempotencyKeyDispatchesOnce) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto invocation =
      World::invocation(api.add_workspace(repository.path()), world.model(kTalk), "go");
  net::Headers const key{{"idempotency-key", "k-1"}};
  auto const first = api.post("/api/v1/runs", invocation, key);
  ASSERT_EQ(first.status, 202) << first.text;
  auto const again = api.post("/api/v1/runs", invocation, key);
  EXPECT_EQ(again.status, 202) << again.text;
  EXPECT_EQ(text_of(again.body, "run"), text_of(first.body, "run"));

  RunRef const run{text_of(first.body, "run"), text_of(first.body, "session")};
  (void)api.events(run);
  auto const late = api.post("/api/v1/runs", invocation, key);
  EXPECT_EQ(text_of(late.body, "run"), run.run);
  EXPECT_EQ(text_of(late.body, "state"), "succeeded");

  invocation["start"] = json::object{{"entrypoint", json::object{{"inline", "something else"}}}};
  auto const other = api.post("/api/v1/runs", invocation, key);
  EXPECT_EQ(other.status, 409) << other.text;
  EXPECT_EQ(api.get("/api/v1/runs").body.at("runs").as_array().size(), 1U);

  // The same key outlives the server.
  world.kill_server();
  world.serve();
  Api after = world.api();
  EXPECT_EQ(after.post("/api/v1/runs", invocation, key).status, 409);

  auto const message = "/api/v1/sessions/" + run.session + "/messages";
  json::object const body{{"prompt", "again"}};
  auto const sent = after.post(message, body, {{"idempotency-key", "m-1"}});
  ASSERT_EQ(sent.status, 202) << sent.text;
  EXPECT_EQ(text_of(after.post(message, body, {{"idempotency-key", "m-1"}}).body, "run"),
            text_of(sent.body, "run"));
  EXPECT_EQ(after.post(message, {{"prompt", "other"}}, {{"idempotency-key", "m-1"}}).status, 409);
  (void)after.events({text_of(sent.body, "run"), run.session});
}

TEST(Api, WhatDoesNotExistIsNotFound) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  std::string const run = "run-01jd0000000000000000000000";
  std::string const session = "ses-01jd0000000000000000000000";
  EXPECT_EQ(api.get("/api/v1/runs/" + run).status, 404);
  EXPECT_EQ(api.get("/api/v1/runs/" + run + "/diff").status, 404);
  EXPECT_EQ(api.post("/api/v1/runs/" + run + "/cancel", {}).status, 404);
  EXPECT_EQ(api.get("/api/v1/sessions/" + session).status, 404);
  EXPECT_EQ(api.post("/api/v1/sessions/" + session + "/messages", {{"prompt", "x"}}).status, 404);
  EXPECT_EQ(api.post("/api/v1/sessions/" + session + "/land", {}).status, 404);
  EXPECT_EQ(api.stream({run, session}).status, 404);
  EXPECT_EQ(api.get("/api/v1/workspaces/nowhere").status, 404);
  EXPECT_EQ(api.erase("/api/v1/workspaces/nowhere").status, 404);
  EXPECT_EQ(api.get("/api/v1/nothing").status, 404);
  auto const workspace = World::invocation("nowhere", world.model(kTalk), "go");
  auto const refused = api.post("/api/v1/runs", workspace);
  EXPECT_EQ(refused.status, 404);
  EXPECT_TRUE(refused.error_text().contains("nowhere")) << refused.text;

  auto agent = World::invocation(api.add_workspace(repository.path()), world.model(kTalk), "go");
  agent["agent"] = "martian";
  auto const unknown = api.post("/api/v1/runs", agent);
  EXPECT_EQ(unknown.status, 404);
  EXPECT_TRUE(unknown.error_text().contains("martian")) << unknown.text;

  // A run is found only under its own session.
  agent.erase("agent");
  auto const mine = api.dispatch(agent);
  (void)api.events(mine);
  EXPECT_EQ(api.stream({mine.run, session}).status, 404);
}

TEST(Api, AnInvalidInvocationIsNamedByItsPointer) {
  World world;
  world.serve();
  Api api = world.api();
  struct Case {
    std::string_view pointer;
    std::string_view body;
  };
  constexpr std::string_view kHead =
      R"("identity": {"subject": "dev", "launcher": "user:dev"}, "trigger": "message", "runner": "native")";
  constexpr std::string_view kStart = R"("start": {"entrypoint": {"inline": "x"}})";
  std::vector<std::pair<std::string, std::string>> const cases = {
      {"/workspaces/0/mode",
       fmt::format(R"({{{}, {}, "workspaces": [{{"id": "a", "mode": "write"}}]}})", kHead, kStart)},
      {"/workspaces/1/id",
       fmt::format(
           R"({{{}, {}, "workspaces": [{{"id": "a", "mode": "rw"}}, {{"id": "../b", "mode": "rw"}}]}})",
           kHead, kStart)},
      {"/workspaces", fmt::format(R"({{{}, {}, "workspaces": []}})", kHead, kStart)},
      {"/limits/max_turns",
       fmt::format(
           R"({{{}, {}, "workspaces": [{{"id": "a", "mode": "rw"}}], "limits": {{"max_turns": 0}}}})",
           kHead, kStart)},
      {"/start/entrypoint/inline",
       fmt::format(
           R"({{{}, "start": {{"entrypoint": {{"inline": 7}}}}, "workspaces": [{{"id": "a", "mode": "rw"}}]}})",
           kHead)},
      {"/colour",
       fmt::format(R"({{{}, {}, "workspaces": [{{"id": "a", "mode": "rw"}}], "colour": "red"}})",
                   kHead, kStart)},
  };
  for (auto const& [pointer, body] : cases) {
    auto const reply = api.post_text("/api/v1/runs", body);
    EXPECT_EQ(reply.status, 400) << reply.text;
    EXPECT_EQ(reply.error_pointer(), pointer) << reply.text;
    EXPECT_EQ(reply.error_code(), "invalid_argument");
  }
  for (std::string const& body : {std::string{""}, std::string{"{"}, std::string{"[]"},
                                  std::string{"{}x"}, std::string(100'000, '[')})
    EXPECT_EQ(api.post_text("/api/v1/runs", body).status, 400) << body.substr(0, 20);
}

TEST(Api, IdsCannotLeadOutOfTheirPlace) {
  World world;
  world.serve();
  Api api = world.api();
  for (std::string const& id :
       {std::string{"..%2F..%2Fetc"}, std::string{"%2e%2e"}, std::string{"run-%00"},
        std::string{"run-01jd%2F.."}, std::string{"%FF%FE"}, std::string{"run-'%20or%201=1"},
        std::string(5'000, 'a')}) {
    for (std::string const& path : {"/api/v1/runs/" + id, "/api/v1/sessions/" + id,
                                    "/api/v1/workspaces/" + id, "/api/v1/runs/" + id + "/diff"}) {
      auto const reply = api.get(path);
      EXPECT_TRUE(reply.status == 400 || reply.status == 404 || reply.status == 414)
          << path << ": " << reply.status << " " << reply.text;
    }
  }
  for (std::string_view const id : {"../x", "a/b", "a\\u0000b", "", ".", "A B"}) {
    auto const reply = api.post_text(
        "/api/v1/workspaces", fmt::format(R"({{"path": "{}", "id": "{}"}})", world.root(), id));
    EXPECT_EQ(reply.status, 400) << id << ": " << reply.text;
  }
  for (std::string_view const path : {"relative", "/tmp/a\\u0000b", "", "/"}) {
    auto const reply =
        api.post_text("/api/v1/workspaces", fmt::format(R"({{"path": "{}"}})", path));
    EXPECT_TRUE(reply.status == 400 || reply.status == 403) << path << ": " << reply.text;
  }
  EXPECT_EQ(api.get("/api/v1/workspaces").body.at("workspaces").as_array().size(), 0U);
}

TEST(Api, BadUtf8IsRefused) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto text = json::serialize(
      World::invocation(api.add_workspace(repository.path()), world.model(kTalk), "MARK"));
  text.replace(text.find("MARK"), 4, "\xff\xfe\xc0\x80");
  auto const reply = api.post_text("/api/v1/runs", text);
  EXPECT_EQ(reply.status, 400) << reply.text;
  auto const outcome =
      world.drover({"run", "-w", repository.path(), "--model", world.model(kTalk), "-"}, "caf\xe9");
  EXPECT_EQ(outcome.exit_code, 2) << outcome.text();
  EXPECT_TRUE(outcome.err.contains("UTF-8")) << outcome.text();
}

TEST(Api, ALargePromptWorksOrIsRefusedWithItsBound) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(
      R"([{"expect": {"last_user_text_contains": "the very end"}, "text": "Read it."}])");
  world.serve();
  Api api = world.api();
  auto const workspace = api.add_workspace(repository.path());
  std::string const large = std::string(3'900'000, 'x') + " the very end";
  auto const run = api.dispatch(World::invocation(workspace, model, large));
  auto const events = api.events(run);
  EXPECT_EQ(text_of(events.back().data, "state"), "succeeded")
      << json::serialize(events.back().data);

  auto const over =
      api.post("/api/v1/runs", World::invocation(workspace, model, std::string(10'000'000, 'x')));
  EXPECT_EQ(over.status, 413) << over.text.substr(0, 300);
  EXPECT_EQ(over.error_code(), "too_large");
  EXPECT_TRUE(over.error_text().contains("10000000")) << over.error_text();

  auto const body =
      api.post("/api/v1/runs", World::invocation(workspace, model, std::string(20'000'000, 'x')));
  EXPECT_EQ(body.status, 413) << body.text.substr(0, 300);
  EXPECT_EQ(api.get("/readyz").status, 200);

  auto const outcome = world.drover({"run", "-w", repository.path(), "--model", model, "-"},
                                    std::string(10'000'000, 'x'));
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_TRUE(outcome.err.contains("limit")) << outcome.err.substr(0, 500);
}

TEST(Api, WorkspacesComeAndGoAndFilesStay) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  json::object const body{{"path", json::string{repository.path()}}, {"id", "mine"}};
  auto const made = api.post("/api/v1/workspaces", body);
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(text_of(made.body, "head"), repository.head());
  EXPECT_EQ(text_of(made.body, "branch"), "main");
  EXPECT_EQ(api.post("/api/v1/workspaces", body).status, 200);
  json::object const renamed{{"path", json::string{repository.path()}}, {"id", "other"}};
  EXPECT_EQ(api.post("/api/v1/workspaces", renamed).status, 409);

  auto const run = api.dispatch(World::invocation(
      "mine",
      world.model(R"([{"tool_calls": [{"name": "Bash", "input": {"command": "sleep 600"}}]}])"),
      "go"));
  ASSERT_TRUE(api.await_event(run, "tool-call"));
  EXPECT_EQ(api.erase("/api/v1/workspaces/mine").status, 409);
  EXPECT_EQ(api.post("/api/v1/runs/" + run.run + "/cancel", {}).status, 202);
  (void)api.events(run);
  EXPECT_EQ(api.erase("/api/v1/workspaces/mine").status, 204);
  EXPECT_EQ(api.get("/api/v1/workspaces/mine").status, 404);
  EXPECT_TRUE(repository.has("README.md"));
}

TEST(Api, RunsAreListedNewestFirstPageByPage) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(R"([{"text": "Done."}])");
  world.serve();
  Api api = world.api();
  auto const workspace = api.add_workspace(repository.path());
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) {
    auto const run = api.dispatch(World::invocation(workspace, model, fmt::format("prompt {}", i)));
    (void)api.events(run);
    made.insert(made.begin(), run.run);
  }
  std::vector<std::string> listed;
  std::string before;
  for (int page = 0; page < 5; ++page) {
    auto const reply =
        api.get("/api/v1/runs?limit=2" + (before.empty() ? "" : "&before=" + before));
    ASSERT_EQ(reply.status, 200) << reply.text;
    for (auto const& run : reply.body.at("runs").as_array())
      listed.push_back(text_of(run.as_object(), "id"));
    if (reply.body.at("next").is_null()) break;
    before = text_of(reply.body, "next");
  }
  EXPECT_EQ(listed, made);
}

TEST(Api, ManyReadersSeeTheSameEvents) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const run = api.dispatch(
      World::invocation(api.add_workspace(repository.path()), world.model(kTalk), "go"));
  std::vector<std::unique_ptr<Program>> readers;
  for (int i = 0; i < 8; ++i)
    readers.push_back(world.start_drover({"events", "--follow", "--json", run.run}));
  std::set<std::string> seen;
  for (auto const& reader : readers) {
    auto const outcome = reader->finish();
    EXPECT_EQ(outcome.exit_code, 0) << outcome.text();
    seen.insert(outcome.out);
  }
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_TRUE(seen.begin()->contains("turn-complete"));
}

TEST(Api, ItsDescriptionIsServed) {
  World world;
  world.serve();
  auto const document = world.api().get("/api/v1/openapi.json");
  EXPECT_EQ(document.status, 200);
  EXPECT_TRUE(text_of(document.body, "openapi").starts_with("3.1"));
  EXPECT_TRUE(document.body.at("paths").as_object().contains("/api/v1/runs"));
}

}  // namespace
}  // namespace drover::harness
