// What the code of a process can reach: in its sandbox, and, as the control, without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>

#include <boost/json.hpp>

#include "harness/processes.h"
#include "os/fd.h"
#include "os/files.h"
#include "workflows/flow.h"

namespace drover::harness {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Each thing that a process might try, and what it got.
constexpr auto const* kTries = R"js(
import fs from 'node:fs';
import net from 'node:net';
import { execFileSync, spawn } from 'node:child_process';
const tried = (what) => { try { return String(what()); } catch (error) { return 'REFUSED ' + (error.code ?? error.name); } };
const shell = (line) => () => execFileSync('/bin/bash', ['-c', line], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
export async function process(inputs, ctx) {
  const { secret, other, port, server } = inputs;
  return {
    environment: String(globalThis.process.env.SECRET_OF_THE_USER),
    secret: tried(() => fs.readFileSync(secret, 'utf8')),
    other: tried(() => fs.readFileSync(other, 'utf8')),
    write: tried(() => { fs.writeFileSync(secret + '.new', 'x'); return 'written'; }),
    module: tried(() => { fs.writeFileSync(new URL(import.meta.url), 'x', { flag: 'a' }); return 'written'; }),
    journal: tried(() => { fs.writeFileSync(ctx.runDir + '/journal/x', 'x'); return 'written'; }),
    scratch: tried(() => { fs.writeFileSync('/tmp/x-' + ctx.runId, 'x'); fs.unlinkSync('/tmp/x-' + ctx.runId); return 'written'; }),
    loopback: tried(shell(`exec 3<>/dev/tcp/127.0.0.1/${port} && echo connected`)).trim(),
    programs: tried(() => fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length),
    kill: tried(() => globalThis.process.kill(server, 0)),
    own: fs.readFileSync(ctx.runDir + '/run.json', 'utf8').includes('runId'),
  };
}
)js";

class Wall : public ::testing::Test {
 protected:
  void SetUp() override {
    flow_.world().set_variable("SECRET_OF_THE_USER", "hush");
    ASSERT_TRUE(os::make_folders(flow_.root() + "/home/.ssh"));
    ASSERT_TRUE(os::write_file_atomic(flow_.root() + "/home/.ssh/id", "the key"));
    flow_.rewrite(kTries);
    flow_.create("other");
    listener_ = os::Fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener_.get(), any, size), 0);
    ASSERT_EQ(::listen(listener_.get(), 8), 0);
    ASSERT_EQ(::getsockname(listener_.get(), any, &size), 0);
    inputs_ = {{"secret", flow_.root() + "/home/.ssh/id"},
               {"other", flow_.run_folder("other") + "/run.json"},
               {"port", ntohs(address.sin_port)},
               {"server", ::getpid()}};
  }
  json::object tried(std::string const& run, std::vector<std::string> const& how) {
    flow_.create(run, json::serialize(inputs_));
    std::vector<std::string> words{"workflow", "iterate", run};
    words.insert(words.end(), how.begin(), how.end());
    auto const iterated = flow_.drover(words);
    EXPECT_EQ(iterated.exit_code, 0) << iterated.text();
    return flow_.output(run).as_object();
  }
  static std::string text(json::object const& got, std::string_view what) {
    return std::string{string_or(got, what, "")};
  }

  Flow flow_{""};
  os::Fd listener_;
  json::object inputs_;
};

TEST_F(Wall, AProcessReachesItsOwnFilesAndNothingElse) {
  auto const got = tried("r", {});
  EXPECT_EQ(text(got, "environment"), "undefined");
  EXPECT_EQ(text(got, "secret"), "REFUSED ENOENT");
  EXPECT_EQ(text(got, "other"), "REFUSED ENOENT");
  EXPECT_THAT(text(got, "write"), HasSubstr("REFUSED"));
  EXPECT_THAT(text(got, "module"), HasSubstr("REFUSED"));
  EXPECT_THAT(text(got, "journal"), HasSubstr("REFUSED"));
  EXPECT_EQ(text(got, "scratch"), "written");
  EXPECT_THAT(text(got, "loopback"), HasSubstr("REFUSED"));
  EXPECT_EQ(text(got, "programs"), "1");
  EXPECT_EQ(text(got, "kill"), "REFUSED ESRCH");
  EXPECT_EQ(got.at("own"), true);
}

// The control: each of these works where nothing holds it.
TEST_F(Wall, WithoutTheSandboxItReachesAllOfThem) {
  auto const got = tried("r", {"--no-sandbox"});
  EXPECT_EQ(text(got, "environment"), "hush");
  EXPECT_EQ(text(got, "secret"), "the key");
  EXPECT_THAT(text(got, "other"), HasSubstr("runId"));
  EXPECT_EQ(text(got, "write"), "written");
  EXPECT_EQ(text(got, "module"), "written");
  EXPECT_EQ(text(got, "loopback"), "connected");
  EXPECT_NE(text(got, "programs"), "1");
  EXPECT_EQ(text(got, "kill"), "true");
}

TEST_F(Wall, OnAServerTooAndTheSettingTakesItAway) {
  auto const on_server = [&](std::string const& id) {
    flow_.world().serve();
    json::object const body{
        {"id", id}, {"entry", flow_.entry()}, {"cwd", flow_.root()}, {"inputs", inputs_}};
    EXPECT_EQ(flow_.world().api().post("/api/v1/workflows", body).status, 201);
    json::object got;
    EXPECT_TRUE(eventually([&] {
      auto const now = flow_.world().api().get("/api/v1/workflows/" + id).body;
      if (now.at("state") != "completed") return false;
      got = now.at("output").as_object();
      return true;
    })) << flow_.world().server_log();
    flow_.world().stop_server();
    return got;
  };
  auto const held = on_server("held");
  EXPECT_EQ(text(held, "secret"), "REFUSED ENOENT");
  EXPECT_THAT(text(held, "loopback"), HasSubstr("REFUSED"));
  EXPECT_THAT(flow_.world().server_log(), Not(HasSubstr("without a sandbox")));
  flow_.world().set_variable("DROVER_WORKFLOW_SANDBOX", "off");
  EXPECT_EQ(text(on_server("free"), "secret"), "the key");
}

TEST_F(Wall, ANetworkIsRefusedWithASentence) {
  flow_.rewrite(R"js(import net from 'node:net';
    const said = (what) => what.then(() => 'yes', (error) => error.message);
    export async function process() {
      return [await said(fetch('http://127.0.0.1/')), await said((async () => net.connect(80, '127.0.0.1'))())];
    })js");
  flow_.create("r");
  EXPECT_EQ(flow_.iterate("r").at("status"), "completed");
  for (auto const& each : flow_.output("r").as_array())
    EXPECT_THAT(std::string{each.as_string()}, HasSubstr("has no network"));
}

TEST_F(Wall, AForkBombStaysSmall) {
  flow_.rewrite(R"js(import { spawn } from 'node:child_process';
    export async function process() {
      const all = Array.from({ length: 400 }, () => spawn('/bin/sleep', ['60'], { stdio: 'ignore' }).on('error', () => {}));
      const began = all.filter((child) => child.pid);
      began.forEach((child) => child.kill('SIGKILL'));
      return began.length;
    })js");
  flow_.create("r");
  auto const iterated = flow_.drover({"workflow", "iterate", "r"});
  EXPECT_EQ(iterated.exit_code, 0) << iterated.text();
  EXPECT_GT(flow_.output("r").as_int64(), 0);
  EXPECT_LT(flow_.output("r").as_int64(), 200);
}

TEST_F(Wall, ItEndsWithADriverThatIsKilled) {
  flow_.rewrite("export async function process() { for (;;); }");
  flow_.create("r");
  auto driver = flow_.start({"workflow", "run", "r"});
  auto const hosts = [] {
    auto const all = processes_below(::getpid());
    return std::ranges::count_if(
        all, [](ProcessLine const& line) { return line.command.contains("--eval"); });
  };
  ASSERT_TRUE(eventually([&] { return hosts() == 1; }));
  driver->signal(SIGKILL);
  (void)driver->finish();
  EXPECT_TRUE(eventually([&] { return hosts() == 0; }));
}

// What the engine hears is what the code says, who may get round the host program.
TEST_F(Wall, WordsThatNoHostSaysEndNothingButTheStep) {
  flow_.rewrite(R"js(import fs from 'node:fs';
    export async function process(inputs) {
      for (let i = 0; i < 10; ++i) fs.writeSync(4, inputs.line + '\n');
      globalThis.process.exit(3);
    })js");
  for (std::string const line :
       {R"({"asks":[1]})", R"({"asks":{"n":1}})", R"({"defs":[[]]})", R"({"cancels":["x"]})",
        R"({"logs":[7]})", R"({"idle":1,"done":"x"})", "[]", "nothing",
        R"({"recall":{"kind":"blob"}})",
        R"({"recall":{"kind":"blob","effectId":"../..","name":"x","hex":"00"}})",
        R"({"asks":[{"n":"x"}],"idle":true})"}) {
    SCOPED_TRACE(line);
    auto const run = "r" + std::to_string(std::hash<std::string>{}(line));
    flow_.create(run, json::serialize(json::object{{"line", line}}));
    auto const outcome = flow_.drover({"workflow", "iterate", run});
    EXPECT_THAT(outcome.exit_code, ::testing::AnyOf(1, 2)) << outcome.text();
    EXPECT_FALSE(os::exists(flow_.run_folder(run) + "/x"));
  }
}

// An effect's file is written by drover, for the process cannot.
TEST_F(Wall, AFileOfAnEffectIsKept) {
  flow_.rewrite(R"js(export async function process(inputs, ctx) {
      return ctx.task({ id: 'a', build: async (args, build) => ({ kind: 'agent',
        text: await build.createBlobRef('a b', 'hällo'), bytes: await build.createBlobRef('raw', Buffer.from([0, 255, 10])) }) }, {});
    })js");
  flow_.create("r");
  auto const effect = pending(flow_.iterate("r")).front();
  auto const task = os::read_file(flow_.run_folder("r") + "/tasks/" + effect + "/task.json");
  auto const definition = parse_json(task.value_or("")).value_or(nullptr);
  auto const kept = [&](std::string_view member) {
    return os::read_file(flow_.run_folder("r") + "/" +
                         std::string{string_or(definition.as_object(), member, "?")})
        .value_or("nothing");
  };
  EXPECT_EQ(kept("text"), "hällo");
  EXPECT_EQ(kept("bytes"), std::string("\0\xff\n", 3));
}

TEST_F(Wall, AMachineWithoutSandboxesRefusesAndSaysWhatToDo) {
  flow_.create("r", json::serialize(inputs_));
  ProgramOptions options;
  options.arguments = {
      HARNESS_WITHOUT_LANDLOCK, World::drover_program(), "workflow", "iterate", "r", "--runs-dir",
      flow_.root() + "/runs"};
  options.environment = flow_.world().environment();
  options.folder = flow_.root();
  auto const refused = run_program(options);
  EXPECT_EQ(refused.exit_code, 2) << refused.text();
  EXPECT_THAT(refused.err, HasSubstr("no Landlock"));
  EXPECT_THAT(refused.err, HasSubstr("DROVER_WORKFLOW_SANDBOX=off"));
  options.arguments.emplace_back("--no-sandbox");
  EXPECT_EQ(run_program(options).exit_code, 0);
}

}  // namespace
}  // namespace drover::harness
