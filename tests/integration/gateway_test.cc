// The gateway of a real server: its upstreams by configuration, read anew, and the wire formats
// that a unit can speak.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <boost/json.hpp>

#include "harness/model_server.h"
#include "harness/world.h"
#include "net/blocking_http.h"
#include "os/files.h"

namespace drover::harness {
namespace {

constexpr std::string_view kHello = R"([{"text": "hello"}, {"text": "again"}])";

void write(World const& world, std::string const& name, std::string const& text) {
  if (!os::make_folders(world.state_folder(), 0700) ||
      !os::write_file_atomic(world.state_folder() + "/" + name, text, 0600))
    throw std::runtime_error("cannot write " + name);
}

std::string anthropic(std::string const& name, std::string const& url, std::string const& key) {
  return "[upstreams." + name + "]\nkind = \"anthropic\"\nbase_url = \"" + url +
         "\"\nkey = { file = \"" + key + "\" }\n";
}

TEST(Gateway, AnUpstreamOfTheFileServesAModelByANameOfOnesOwn) {
  World world;
  auto const repository = world.repository("project");
  ModelServer const provider{world, world.model(kHello)};
  write(world, "provider.key", "sk-secret-of-the-file\n");
  write(world, "gateway.toml",
        anthropic("work", provider.url(), world.state_folder() + "/provider.key") +
            "[models.fast]\nupstream = \"work\"\nmodel = \"claude-house\"\n");
  write(world, "prices.toml", "[models.\"claude-house\"]\ninput = 1000\noutput = 1000\n");
  world.serve();
  for (std::string const name : {"fast", "work/claude-house"}) {
    auto const outcome = world.drover(
        {"run", "--json", "-w", repository.path(), "--ro", "--model", name, "say hello"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
    auto const last = outcome.lines().back();
    EXPECT_EQ(text_of(last, "reply"), "hello") << name;
    EXPECT_GT(last.at("usage").at("cost_usd").to_number<double>(), 0.0) << "by the user's price";
  }
  auto const shown = world.drover({"gateway", "--json"});
  EXPECT_EQ(shown.exit_code, 0) << shown.text();
  EXPECT_NE(shown.text().find("claude-house"), std::string::npos);
  for (std::string const& text : {shown.text(), world.server_log()})
    EXPECT_EQ(text.find("sk-secret"), std::string::npos) << "the key is nobody's to see";
}

TEST(Gateway, AReloadChangesTheUpstreamsAndABadFileChangesNothing) {
  World world;
  auto const repository = world.repository("project");
  ModelServer const provider{world, world.model(kHello)};
  write(world, "k", "sk-1");
  world.serve();
  Api api = world.api();
  std::string const workspace = api.add_workspace(repository.path());
  auto const invocation = World::invocation(workspace, "work/claude-house", "hello");
  EXPECT_EQ(api.post("/api/v1/runs", invocation).status, 400) << "there is no such upstream";

  write(world, "gateway.toml", anthropic("work", provider.url(), world.state_folder() + "/k"));
  ASSERT_EQ(::kill(world.server_pid(), SIGHUP), 0);
  // What the signal does has no answer; the command's reload is one more and has.
  ASSERT_EQ(world.drover({"gateway", "reload"}).exit_code, 0);
  auto const run = api.dispatch(invocation);
  EXPECT_EQ(text_of(api.events(run).back().data, "state"), "succeeded");

  write(world, "gateway.toml", "[upstreams.work]\nkind = \"telepathy\"\n");
  auto const refused = api.post("/api/v1/gateway/reload", {});
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.error_text().find("/upstreams/work/kind"), std::string::npos)
      << refused.error_text();
  EXPECT_EQ(api.get("/api/v1/gateway").body.at("upstreams").as_array().size(), 1U);
}

// A run whose tool waits until it is let go, and its unit's socket and token as a program inside
// would have them.
class OpenRun {
 public:
  OpenRun(World& world, Repository repository, json::object limits = {})
      : world_(world), repository_(std::move(repository)) {
    auto const model = world.model(
        R"([{"text": "one", "tool_calls": [{"name": "Bash", "input": {"command":
             "while [ ! -e /workspace/go ]; do sleep 0.02; done"}}]}, {"text": "two"}])",
        R"(, "after_last": "repeat_last")");
    world.serve();
    Api api = world.api();
    json::object invocation =
        World::invocation(api.add_workspace(repository_.path()), model, "hello");
    if (!limits.empty()) invocation["limits"] = std::move(limits);
    run_ = api.dispatch(invocation);
    if (!api.await_event(run_, "tool-call")) throw std::runtime_error("the run has no tool call");
    token_ = variable_of(world.units().front(), "DROVER_AGENT_IDENTITY_TOKEN");
    for (auto const& entry : std::filesystem::directory_iterator(world.state_folder() + "/units"))
      socket_ = entry.path().string() + "/unit.sock";
  }

  [[nodiscard]] net::HttpResponse call(std::string method, std::string const& target,
                                       std::string body = "") {
    return call_with(token_, std::move(method), target, std::move(body));
  }
  [[nodiscard]] net::HttpResponse call_with(std::string const& token, std::string method,
                                            std::string const& target, std::string body = "") {
    net::ClientRequest request;
    request.method = std::move(method);
    request.url = "http://unit" + target;
    request.headers = {{"authorization", "Bearer " + token}, {"content-type", "application/json"}};
    request.body = std::move(body);
    request.unix_socket = socket_;
    net::BlockingHttp http;
    auto answer = http.request(request);
    if (!answer) throw std::runtime_error(answer.error().text());
    return *std::move(answer);
  }
  // What the socket of another unit answers to this one's token.
  [[nodiscard]] std::string at_another_socket() {
    std::string const own = socket_;
    for (auto const& entry : std::filesystem::directory_iterator(world_.state_folder() + "/units"))
      if (!own.starts_with(entry.path().string() + "/"))
        socket_ = entry.path().string() + "/unit.sock";
    std::string body = call("GET", "/v1/unit").body;
    socket_ = own;
    return body;
  }
  // The last event of the run.
  [[nodiscard]] json::object end() {
    repository_.write("go", "");
    return world_.api().events(run_).back().data;
  }
  [[nodiscard]] std::string const& token() const { return token_; }

 private:
  static std::string variable_of(pid_t pid, std::string const& name) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/environ"};
    for (std::string line; std::getline(file, line, '\0');)
      if (line.starts_with(name + "=")) return line.substr(name.size() + 1);
    throw std::runtime_error(name + " is not there");
  }

  World& world_;
  Repository repository_;
  RunRef run_;
  std::string token_;
  std::string socket_;
};

TEST(Gateway, AUnitReachesItsModelInEveryFormat) {
  World world;
  OpenRun run{world, world.repository("project")};
  auto const responses = run.call("POST", "/v1/responses", R"({"model":"scripted","input":"hi"})");
  EXPECT_EQ(responses.status, 200) << responses.body;
  EXPECT_TRUE(responses.body.contains("\"object\":\"response\"")) << responses.body;
  auto const chat = run.call("POST", "/v1/chat/completions",
                             R"({"model":"scripted","messages":[{"role":"user","content":"hi"}]})");
  EXPECT_TRUE(chat.body.contains("\"chat.completion\"")) << chat.body;
  auto const counted =
      run.call("POST", "/v1/messages/count_tokens", R"({"model":"scripted","messages":[]})");
  EXPECT_TRUE(counted.body.contains("\"input_tokens\":")) << counted.body;
  EXPECT_TRUE(run.call("GET", "/v1/models").body.contains("\"scripted\""));
  EXPECT_EQ(run.call("GET", "/v1/models/other").status, 404);
  auto const other = run.call("POST", "/v1/responses", R"({"model":"other","input":"hi"})");
  EXPECT_EQ(other.status, 403);
  EXPECT_TRUE(json::parse(other.body).at("error").as_object().contains("code")) << other.body;
  for (std::string const& target :
       {"/v1/responses/../../x", "/v1/messages/%2e%2e/x", "http://169.254.169.254/latest"})
    EXPECT_GE(run.call("POST", target, "{}").status, 400) << target;
  auto const end = run.end();
  EXPECT_EQ(text_of(end, "state"), "succeeded");
  EXPECT_EQ(integer_or(end, "turns", 0), 4) << "two of the agent's, two of these";
}

// The limit is the run's, also of a program that does not count.
TEST(Gateway, ARunHasItsModelCallsAndNoMore) {
  World world;
  OpenRun run{world, world.repository("project"), {{"max_turns", 3}}};
  constexpr std::string_view kCall = R"({"model":"scripted","input":"hi"})";
  EXPECT_EQ(run.call("POST", "/v1/responses", std::string{kCall}).status, 200);
  EXPECT_EQ(run.call("POST", "/v1/responses", std::string{kCall}).status, 200);
  auto const refused = run.call("POST", "/v1/responses", std::string{kCall});
  EXPECT_EQ(refused.status, 403);
  EXPECT_TRUE(refused.body.contains("\"max_turns\"")) << refused.body;
  auto const end = run.end();
  EXPECT_EQ(text_of(end, "reason"), "max_turns");
  EXPECT_EQ(integer_or(end, "turns", 0), 3);
}

TEST(Gateway, ATenantSpendsWhatItMayAndNoMoreAlsoAfterARestart) {
  World world;
  auto const repository = world.repository("project");
  // 1000 tokens of input at a dollar each thousand.
  auto const model = world.model(R"([{"text": "hello", "usage": {"input": 1000, "output": 0}}])",
                                 R"(, "pricing": {"input": 1000, "output": 1000},
                                      "after_last": "repeat_last")");
  world.serve();
  write(world, "budgets.toml", "[[limits]]\nscope = \"tenant\"\nper = \"total\"\nusd = 1.5\n");
  auto const set = world.drover({"budgets", "-f", world.state_folder() + "/budgets.toml"});
  ASSERT_EQ(set.exit_code, 0) << set.text();
  auto const run = [&] {
    auto const outcome = world.drover(
        {"run", "--json", "-w", repository.path(), "--ro", "--model", model, "say hello"});
    return text_of(outcome.lines().back(), "reason");
  };
  EXPECT_EQ(run(), "completed");
  EXPECT_EQ(run(), "completed") << "half a dollar was left";
  EXPECT_EQ(run(), "budget_exhausted");
  world.stop_server();
  world.serve();
  EXPECT_EQ(run(), "budget_exhausted") << "what was spent is on disk";
  auto const spend = world.api().get("/api/v1/spend?by=day,model");
  ASSERT_EQ(spend.body.at("spend").as_array().size(), 1U) << spend.text;
  auto const& row = spend.body.at("spend").at(0).as_object();
  EXPECT_EQ(row.at("calls").as_int64(), 2);
  EXPECT_DOUBLE_EQ(row.at("cost_usd").to_number<double>(), 2.0);
  auto const shown = world.drover({"budgets"});
  EXPECT_TRUE(shown.text().contains("$2.00 of $1.50")) << shown.text();
  EXPECT_EQ(world.api().get("/api/v1/spend?by=planet").status, 400);
}

TEST(Gateway, ATokenIsGoodForItsOwnUnitAndWhileThatLives) {
  World world;
  OpenRun run{world, world.repository("project")};
  constexpr std::string_view kCall = R"({"model":"scripted","input":"hi"})";
  auto const refused = [&](std::string const& token) {
    auto const answer = run.call_with(token, "POST", "/v1/responses", std::string{kCall});
    EXPECT_EQ(answer.status, 401) << answer.body;
    return answer.body;
  };
  std::string edited = run.token();
  edited[edited.size() / 2] = edited[edited.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_TRUE(refused(edited).contains("bad-signature"));
  EXPECT_TRUE(refused("nonsense").contains("malformed"));
  EXPECT_TRUE(refused("").contains("malformed"));

  ASSERT_EQ(world.drover({"gateway", "rotate-key"}).exit_code, 0);
  EXPECT_EQ(run.call("POST", "/v1/responses", std::string{kCall}).status, 200)
      << "a new key signs from now on, and the one before still verifies";

  // Another session's unit has another socket and lets nobody else in.
  Api api = world.api();
  auto const model = world.model(
      R"([{"tool_calls": [{"name": "Bash", "input": {"command":
           "while [ ! -e /workspace/go ]; do sleep 0.02; done"}}]}, {"text": "two"}])");
  auto const other = world.repository("other");
  auto const second =
      api.dispatch(World::invocation(api.add_workspace(other.path()), model, "hello"));
  ASSERT_TRUE(api.await_event(second, "tool-call"));
  EXPECT_TRUE(run.at_another_socket().contains("another unit"));
  other.write("go", "");
  EXPECT_EQ(text_of(api.events(second).back().data, "state"), "succeeded");

  EXPECT_EQ(text_of(run.end(), "state"), "succeeded");
  EXPECT_EQ(run.call("POST", "/v1/responses", std::string{kCall}).status, 409)
      << "the turn is over";
}

TEST(Gateway, AnAgentsOtherModelAnswersWhereItsFirstIsDown) {
  World world;
  auto const repository = world.repository("project");
  auto const model = world.model(kHello);
  write(world, "k", "sk-1");
  write(world, "gateway.toml",
        anthropic("down", "http://127.0.0.1:1", world.state_folder() + "/k") + "attempts = 1\n");
  write(world, "agent.json",
        R"({"name": "tough", "model": "down/claude-x", "fallback_models": [")" + model + R"("]})");
  world.serve();
  ASSERT_EQ(world.drover({"agents", "apply", "-f", world.state_folder() + "/agent.json"}).exit_code,
            0);
  auto const outcome = world.drover(
      {"run", "--json", "-w", repository.path(), "--ro", "--agent", "tough", "say hello"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  EXPECT_EQ(text_of(outcome.lines().back(), "reply"), "hello") << outcome.text();
}

// Real curl and git inside the sandbox, whose only way is the proxy of their environment.
TEST(Gateway, AUnitReachesTheHostsOfItsAgentAndNoOthers) {
  World world;
  auto const repository = world.repository("project");
  auto const served = world.repository("served");
  static_cast<void>(served.git({"update-server-info"}));
  // Python's file server is one of the many that know nothing of drover.
  ProgramOptions options;
  options.arguments = {"/usr/bin/python3", "-u", "-m", "http.server", "-b", "127.0.0.1", "0"};
  options.environment = world.environment();
  options.folder = served.path();
  Program server{options};
  ASSERT_TRUE(server.prints(") ..."));
  std::string const said = server.printed();
  auto const at = said.find("port ") + 5;
  std::string const port = said.substr(at, said.find(' ', at) - at);

  write(world, "agent.json",
        R"({"name": "out", "egress": ["127.0.0.1:)" + port + R"(", "localhost:)" + port + R"("]})");
  std::string const command =
      "export NO_PROXY= no_proxy=; curl -s -m 10 http://127.0.0.1:" + port +
      "/README.md; git clone -q http://127.0.0.1:" + port +
      "/.git /tmp/clone && cat /tmp/clone/README.md; "
      "curl -s -m 10 -o /dev/null -w 'other %{http_code}' http://127.0.0.1:1/; "
      "curl -s -m 10 -p -o /dev/null -w ' tunnel %{http_connect}' http://169.254.169.254/latest; "
      "curl -s -m 3 --noproxy '*' http://127.0.0.1:" +
      port + "/ || echo ' direct refused'";
  json::object call{{"name", "Bash"}, {"input", {{"command", json::string{command}}}}};
  json::array contains;
  for (std::string_view const part :
       {"a project\na project", "other 403", "tunnel 403", "direct refused"})
    contains.push_back(json::string{part});
  json::array const turns{
      {{"tool_calls", json::array{call}}},
      {{"expect", {{"tool_results", json::array{{{"contains", contains}}}}}}, {"text", "done"}}};
  auto const model = world.model(json::serialize(turns));
  world.serve();
  ASSERT_EQ(world.drover({"agents", "apply", "-f", world.state_folder() + "/agent.json"}).exit_code,
            0);
  auto const outcome = world.drover({"run", "--json", "-w", repository.path(), "--ro", "--model",
                                     model, "--agent", "out", "fetch it"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text();
  int opened = 0;
  int refused = 0;
  for (json::object const& line : outcome.lines()) {
    if (text_of(line, "type") != "egress") continue;
    opened += text_of(line, "outcome") == "opened" ? 1 : 0;
    refused += text_of(line, "outcome") == "refused" ? 1 : 0;
  }
  EXPECT_GE(opened, 2) << outcome.text();
  EXPECT_EQ(refused, 2) << outcome.text();
}

}  // namespace
}  // namespace drover::harness
