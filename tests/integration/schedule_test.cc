// Schedules, events and hooks against the real server: fired, killed, fired again.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "harness/world.h"

namespace drover::harness {
namespace {

constexpr std::string_view kOnce = R"([{"text": "Done."}])";

json::object dispatch_job(std::string const& workspace, std::string const& model,
                          std::string const& prompt, json::object more) {
  auto job = std::move(more);
  job["dispatch"] = World::invocation(workspace, model, prompt);
  return job;
}

std::string in_seconds(int seconds) {
  return to_rfc3339(SystemClock{}.now() + std::chrono::seconds{seconds});
}

json::array history(Api& api, std::string const& id) {
  auto const reply = api.get("/api/v1/schedules/" + id + "/history");
  EXPECT_EQ(reply.status, 200) << reply.text;
  return reply.body.at("firings").as_array();
}

bool reaches(Api& api, std::string const& id, std::string_view status) {
  return eventually(
      [&] { return text_of(api.get("/api/v1/schedules/" + id).body, "status") == status; });
}

TEST(Schedule, AOneShotRunsAtItsTimeAndKeepsItsId) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const made =
      api.post("/api/v1/schedules",
               dispatch_job(api.add_workspace(repository.path()), world.model(kOnce), "go",
                            {{"id", "soon"}, {"execute_at", json::string{in_seconds(1)}}}));
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(text_of(made.body, "status"), "pending");
  ASSERT_TRUE(reaches(api, "soon", "completed"));
  auto const firings = history(api, "soon");
  ASSERT_EQ(firings.size(), 1U);
  auto const run = api.run(text_of(firings[0].as_object(), "run"));
  EXPECT_EQ(text_of(run, "state"), "succeeded");
  EXPECT_EQ(text_of(api.get("/api/v1/schedules/soon").body, "id"), "soon");
}

// SIGKILL from before the firing to after its end: one run, whenever it strikes.
TEST(Schedule, KilledAroundAFiringItStillRunsExactlyOnce) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  std::string const workspace = world.api().add_workspace(repository.path());
  std::string const model = world.model(kOnce);
  for (int delay_ms : {0, 2, 5, 10, 20, 40, 80}) {
    std::string const id = fmt::format("kill-{}", delay_ms);
    {
      Api api = world.api();
      auto job =
          dispatch_job(workspace, model, "go " + id,
                       {{"id", json::string{id}}, {"execute_at", json::string{in_seconds(0)}}});
      ASSERT_EQ(api.post("/api/v1/schedules", job).status, 201);
    }
    pause(Micros{delay_ms * 1000});
    world.kill_server();
    world.serve();
    Api api = world.api();
    EXPECT_TRUE(reaches(api, id, "completed")) << api.get("/api/v1/schedules/" + id).text;
    auto const firings = history(api, id);
    ASSERT_EQ(firings.size(), 1U) << id;
    EXPECT_EQ(text_of(firings[0].as_object(), "state"), "succeeded");
  }
  Api api = world.api();
  std::multiset<std::string> prompts;
  for (auto const& run : api.get("/api/v1/runs?limit=100").body.at("runs").as_array())
    prompts.insert(text_of(run.as_object(), "prompt"));
  EXPECT_EQ(prompts.size(), 7U);
  for (auto const& prompt : prompts)
    EXPECT_EQ(prompts.count(prompt), 1U) << prompt;
}

TEST(Schedule, PausedItWaitsRunNowFiresAndCancelledItNeverDoes) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const job = dispatch_job(api.add_workspace(repository.path()), world.model(kOnce), "go",
                                {{"id", "job"}, {"cron", "0 0 1 1 *"}, {"paused", true}});
  ASSERT_EQ(api.post("/api/v1/schedules", job).status, 201);
  EXPECT_EQ(api.post("/api/v1/schedules", job).status, 409);
  auto const fired = api.post("/api/v1/schedules/job/run", {}, {{"idempotency-key", "k"}});
  ASSERT_EQ(fired.status, 202) << fired.text;
  EXPECT_EQ(api.post("/api/v1/schedules/job/run", {}, {{"idempotency-key", "k"}}).body.at("id"),
            fired.body.at("id"));
  ASSERT_TRUE(eventually(
      [&] { return text_of(history(api, "job")[0].as_object(), "state") == "succeeded"; }));
  EXPECT_EQ(api.post("/api/v1/schedules/job/resume", {}).status, 200);
  EXPECT_FALSE(api.get("/api/v1/schedules/job").body.at("next_at").is_null());
  EXPECT_EQ(api.erase("/api/v1/schedules/job").status, 200);
  EXPECT_EQ(text_of(api.get("/api/v1/schedules/job").body, "status"), "cancelled");
  EXPECT_EQ(api.post("/api/v1/schedules/job/run", {}).status, 409);
  EXPECT_EQ(history(api, "job").size(), 1U);
}

TEST(Schedule, AnEventStartsWhatWaitsForItWithItsValuesInThePrompt) {
  World world;
  auto const repository = world.repository("project");
  world.serve();
  Api api = world.api();
  auto const job = dispatch_job(
      api.add_workspace(repository.path()),
      world.model(
          R"([{"expect": {"last_user_text_contains": "build 7 of main"}, "text": "Seen."}])"),
      "look at build {{event.data.number}} of {{event.subject}}",
      {{"id", "ci"},
       {"event", {{"type", "build.failed"}, {"filter", {{"/data/kind", "nightly"}}}}}});
  ASSERT_EQ(api.post("/api/v1/schedules", job).status, 201);
  json::object event{{"type", "build.failed"},
                     {"id", "7"},
                     {"subject", "main"},
                     {"data", {{"number", 7}, {"kind", "nightly"}}}};
  auto const taken = api.post("/api/v1/events", event);
  ASSERT_EQ(taken.status, 202) << taken.text;
  EXPECT_EQ(taken.body.at("firings").as_array().size(), 1U);
  EXPECT_EQ(api.post("/api/v1/events", event).status, 200);
  ASSERT_TRUE(eventually([&] {
    return text_of(history(api, "ci")[0].as_object(), "state") == "succeeded";
  })) << json::serialize(history(api, "ci"));
  EXPECT_EQ(history(api, "ci").size(), 1U);
}

TEST(Schedule, AHookShowsItsSecretOnceAndTakesNothingUnsigned) {
  World world;
  world.serve();
  Api api = world.api();
  json::object const hook{{"name", "ci"}, {"type", "ci"}};
  auto const made = api.post("/api/v1/hooks", hook);
  ASSERT_EQ(made.status, 201) << made.text;
  std::string const secret = text_of(made.body, "secret");
  EXPECT_GE(secret.size(), 32U);
  EXPECT_FALSE(api.get("/api/v1/hooks").text.contains(secret));
  EXPECT_FALSE(api.get("/api/v1/hooks/ci").text.contains(secret));
  EXPECT_FALSE(world.server_log().contains(secret));
  net::ClientRequest bare{.method = "POST", .url = api.url() + "/hooks/ci", .body = "{}"};
  auto const unsigned_one = api.send(bare);
  EXPECT_EQ(unsigned_one.status, 401) << unsigned_one.text;
  // A hook that is not there answers the same.
  bare.url = api.url() + "/hooks/nobody";
  EXPECT_EQ(api.send(bare).text, unsigned_one.text);
  EXPECT_EQ(api.erase("/api/v1/hooks/ci").status, 204);
  EXPECT_EQ(api.get("/api/v1/hooks/ci").status, 404);
}

TEST(Schedule, WhatCannotBeIsRefusedWithItsPlace) {
  World world;
  world.serve();
  Api api = world.api();
  struct Case {
    std::string_view body;
    std::string_view pointer;
  };
  constexpr std::array<Case, 5> kCases = {{
      {R"({"cron":"61 * * * *","request":{"url":"https://example.com/"}})", "/cron"},
      {R"({"cron":"@daily","timezone":"Mars/Base","request":{"url":"https://example.com/"}})",
       "/timezone"},
      {R"({"cron":"@daily","request":{"url":"http://169.254.169.254/latest"}})", "/request/url"},
      {R"({"cron":"@daily","request":{"url":"http://127.0.0.1:1/"}})", "/request/url"},
      {R"({"cron":"@daily","request":{"url":"http://[::1]/"}})", "/request/url"},
  }};
  for (auto const& [body, pointer] : kCases) {
    auto const reply = api.post_text("/api/v1/schedules", std::string{body});
    EXPECT_EQ(reply.status, 400) << body << reply.text;
    EXPECT_EQ(reply.error_pointer(), pointer) << reply.text;
  }
  // A name that leads inside is refused when it is known where it leads.
  auto const inside = api.post_text(
      "/api/v1/schedules",
      fmt::format(
          R"({{"id":"in","execute_at":"{}","request":{{"url":"{}","headers":{{"X-Api-Key":"sesame"}}}}}})",
          in_seconds(0), "http://localhost" + api.url().substr(api.url().rfind(':')) + "/healthz"));
  ASSERT_EQ(inside.status, 201) << inside.text;
  EXPECT_FALSE(inside.text.contains("sesame"));
  ASSERT_TRUE(reaches(api, "in", "failed"));
  EXPECT_TRUE(text_of(history(api, "in")[0].as_object(), "reason").contains("may not reach"));
  EXPECT_FALSE(world.server_log().contains("sesame"));
}

TEST(Schedule, TheCommandLineMakesListsFiresAndCancels) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kOnce);
  world.serve();
  auto const made =
      world.drover({"schedules", "create", "--id", "nightly", "--cron", "30 2 * * *", "--timezone",
                    "Europe/Berlin", "-w", repository.path(), "--model", model, "tidy up"});
  ASSERT_EQ(made.exit_code, 0) << made.text();
  EXPECT_EQ(made.out, "nightly\n");
  auto const listed = world.drover({"schedules", "list"});
  EXPECT_TRUE(listed.out.contains("nightly")) << listed.text();
  EXPECT_TRUE(listed.out.contains("30 2 * * *")) << listed.text();
  auto const shown = world.drover({"schedules", "show", "nightly", "--json"});
  ASSERT_EQ(shown.lines().size(), 1U) << shown.text();
  EXPECT_EQ(text_of(shown.lines()[0], "timezone"), "Europe/Berlin");
  EXPECT_EQ(world.drover({"schedules", "pause", "nightly"}).exit_code, 0);
  EXPECT_EQ(world.drover({"schedules", "run", "nightly"}).exit_code, 0);
  ASSERT_TRUE(eventually(
      [&] { return world.drover({"schedules", "history", "nightly"}).out.contains("succeeded"); }));
  EXPECT_EQ(world.drover({"schedules", "resume", "nightly"}).exit_code, 0);
  EXPECT_EQ(world.drover({"schedules", "delete", "nightly"}).exit_code, 0);
  EXPECT_TRUE(world.drover({"schedules", "show", "nightly"}).out.contains("cancelled"));
  EXPECT_NE(world.drover({"schedules", "show", "nobody"}).exit_code, 0);
}

TEST(Schedule, TheCommandLineTellsTheNextFirings) {
  World world;
  auto const next = world.drover({"schedules", "next", "30 9 * * mon-fri", "--timezone",
                                  "Europe/Berlin", "--after", "2025-03-28T12:00:00Z", "-n", "2"});
  EXPECT_EQ(next.exit_code, 0) << next.text();
  EXPECT_EQ(next.out, "2025-03-31T09:30:00+02:00\n2025-04-01T09:30:00+02:00\n");
  EXPECT_EQ(world.drover({"schedules", "next", "61 * * * *"}).exit_code, 2);
}

}  // namespace
}  // namespace drover::harness
