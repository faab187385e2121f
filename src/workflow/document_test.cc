#include "workflow/document.h"

#include <gtest/gtest.h>

#include "workflow/create_run.h"
#include "workflow/heartbeat.h"
#include "workflow/iterate.h"
#include "workflow/testing.h"

namespace drover::workflow {
namespace {

std::string problem(std::string_view text) {
  auto const document = parse_document(text, "f.yaml");
  return document ? "" : document.error().message;
}

TEST(Document, IsReadWithWhatItNames) {
  auto const document = parse_document(R"(
name: ship
inputs:
  target: {default: all}
  at:
steps:
  - id: build
    shell: make "$1"
    args: ["${inputs.target}"]
    retry: {attempts: 3, backoff: 10s}
    timeout: 5m
  - for_each: "${[1, 2]}"
    as: n
    concurrency: 2
    steps: [{log: "${n}"}]
)",
                                       "f.yaml");
  ASSERT_TRUE(document) << document.error().message;
  EXPECT_EQ(document->name, "ship");
  EXPECT_EQ(document->required, std::vector<std::string>{"at"});
  EXPECT_EQ(document->size, 3U);
  auto const& build = document->steps.at(0);
  EXPECT_EQ(build.kind, StepKind::shell);
  EXPECT_EQ(build.line, 7);
  EXPECT_EQ(build.retry.attempts, 3);
  EXPECT_EQ(build.retry.backoff, Millis{10'000});
  EXPECT_EQ(build.timeout, Millis{300'000});
  EXPECT_EQ(document->steps.at(1).concurrency, 2U);
}

TEST(Document, AMistakeIsNamedByLineAndColumn) {
  std::pair<char const*, char const*> const cases[] = {
      {"steps:\n  - shel: make\n", "f.yaml:2:5: a step is one of "},
      {"steps:\n  - shell: make\n    retries: 3\n", "f.yaml:3:14: 'retries' is not known here"},
      {"steps:\n  - log: \"${1 +}\"\n", "f.yaml:2:10: column 6 of '${1 +}': expected a value"},
      {"steps:\n  - if: a ==\n    log: x\n", "f.yaml:2:9: column 5 of 'a ==': it ends too early"},
      {"steps:\n  - id: a\n    log: x\n  - id: a\n    log: y\n",
       "f.yaml:4:9: there is another step a"},
      {"steps:\n  - id: 1a\n    log: x\n", "f.yaml:2:9: an id is letters"},
      {"steps:\n  - shell: a\n    node: b\n", "a step is one thing, and this is shell and node"},
      {"steps:\n  - while: x\n    steps: [{log: x}]\n", "a loop has a max"},
      {"steps:\n  - while: x\n    max: 0\n    steps: [{log: x}]\n", "max is a number from 1 to"},
      {"steps:\n  - agent: a\n", "an agent has a prompt"},
      {"steps:\n  - sleep: soon\n", "sleep is a duration, as 10s or 5m"},
      {"steps:\n  - for_each: 3\n    steps: [{log: x}]\n", "for_each is a list"},
      {"steps:\n  - log: x\n    timeout: 5m\n", "only what is carried out is tried again"},
      {"steps:\n  - {signal: x, heartbeat: 5m}\n", "only commands, agents and tasks have a heartb"},
      {"steps: []\n", "f.yaml:1:8: steps is a list, of one at least"},
      {"a: 1\nsteps: [{log: x}]\n", "f.yaml:1:4: 'a' is not known here"},
      {"steps:\n  - log: x\n    log: y\n", "f.yaml:3:5: 'log' is there twice"},
      {"steps: [\n", "f.yaml:2:1: "},
      // No document that the parser comes to the end of.
      {",", "f.yaml:1:1: no value begins like this"},
      {"steps:\n  - log: x\n---\n,", "f.yaml:4:1: no value begins like this"},
      {"- 1\n", "a workflow is a map with steps"},
      {"", "f.yaml:1:1: it holds 0 documents, not one"},
      {"a: 1\n---\nb: 2\n", "it holds 2 documents"},
      {"steps: 3", "steps is a list"},
      {"steps:\n  - shell: {command: x}\n", "a shell's command is a text"},
      {"steps:\n  - task: {title: x}\n", "a task is a map with its kind"},
  };
  for (auto const& [text, message] : cases)
    EXPECT_NE(problem(text).find(message), std::string::npos)
        << text << "\nsays: " << problem(text) << "\nnot: " << message;
}

TEST(Document, WhatGrowsIsBounded) {
  std::string deep = "steps: ";
  for (int i = 0; i < 300; ++i)
    deep += "[";
  EXPECT_NE(problem(deep), "");
  std::string laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char name = 'b'; name < 'k'; ++name) {
    std::string const before = std::string{"*"} + static_cast<char>(name - 1);
    laughs += std::string{name} + ": &" + name + " [";
    for (int i = 0; i < 10; ++i)
      laughs += before + (i < 9 ? "," : "]\n");
  }
  EXPECT_NE(problem(laughs).find("too much"), std::string::npos) << problem(laughs);
  EXPECT_NE(problem("a: &a [*a]\nsteps: [{log: x}]").size(), 0U);
  EXPECT_NE(problem(std::string(kDocumentBytesMax + 1, ' ')), "");
}

// A document that is run, by the engine over a run directory.
class Documents : public testing::Scratch {
 protected:
  void make(std::string const& text, json::value inputs = json::object{}) {
    std::string const file = folder_ + "/flow.yaml";
    ASSERT_TRUE(os::write_file_atomic(file, text));
    auto const checked = check_entry(file, "process", {});
    ASSERT_TRUE(checked) << checked.error().message;
    NewRun wanted;
    wanted.runs_root = folder_ + "/runs";
    wanted.run_id = "r";
    wanted.process_id = "flow";
    wanted.entry = Entrypoint{file, "process"};
    wanted.inputs = std::move(inputs);
    auto const created = create_run(wanted, clock_, random_);
    ASSERT_TRUE(created) << created.error().message;
    run_ = created->folder;
  }
  Iterated rest() {
    auto iterated = iterate(run_, {}, clock_, random_);
    EXPECT_TRUE(iterated) << iterated.error().message;
    return iterated ? *std::move(iterated) : Iterated{};
  }
  void end(std::string const& label, std::string const& value) {
    auto opened = OpenRun::open(run_, "test", clock_, random_);
    ASSERT_TRUE(opened) << opened.error().message;
    for (auto const& effect : opened->history().effects()) {
      if (effect.label != label || effect.status != EffectStatus::requested) continue;
      TaskResult result;
      if (value == "error") {
        result.outcome = Outcome::error;
        result.error = json::object{{"name", "Error"}, {"message", "it went wrong"}};
      } else {
        result.value = *parse_json(value);
      }
      ASSERT_TRUE(opened->post(effect.id, std::move(result)));
      return;
    }
    FAIL() << "nothing waits with the label " << label;
  }
  static std::vector<std::string> labels(Iterated const& iterated) {
    std::vector<std::string> labels;
    for (auto const& action : iterated.actions)
      labels.push_back(action.effect.label);
    return labels;
  }
  using Labels = std::vector<std::string>;

  RunFolder run_{""};
};

TEST_F(Documents, StepsFollowOneAnotherAndReferToWhatWas) {
  make(R"(
inputs: {target: {default: all}}
steps:
  - id: build
    shell: make "$1"
    args: ["${inputs.target}"]
    env: {LEVEL: "${1 + 1}"}
  - id: gate
    if: steps.build.success
    breakpoint: ship ${inputs.target}?
    name: Ship
  - if: ${!steps.gate.approved}
    halt: not approved
output: {built: "${steps.build.stdout}", by: "${steps.gate.by}"}
)");
  auto const build = rest();
  EXPECT_EQ(labels(build), Labels{"build"});
  EXPECT_EQ(json::serialize(build.actions.at(0).definition.at("shell")),
            R"({"args":["all"],"env":{"LEVEL":2},"command":"make \"$1\""})");
  end("build", R"({"success": true, "exitCode": 0, "stdout": "ok"})");
  auto const gate = rest();
  EXPECT_EQ(gate.reason, "breakpoint-waiting");
  EXPECT_EQ(gate.actions.at(0).definition.at("metadata").at("payload").at("question").as_string(),
            "ship all?");
  end("Ship", R"({"approved": true, "by": "ann"})");
  EXPECT_EQ(json::serialize(rest().output), R"({"built":"ok","by":"ann"})");
}

TEST_F(Documents, AHaltEndsTheRun) {
  make("steps:\n  - halt: enough of ${inputs.n}\n    payload: {n: 1}\n", json::object{{"n", 2}});
  auto const halted = rest();
  EXPECT_EQ(halted.state, IterateState::halted);
  EXPECT_EQ(halted.reason, "enough of 2");
  EXPECT_EQ(halted.payload.at("n").as_int64(), 1);
}

TEST_F(Documents, ACommandThatFailsFailsTheStep) {
  make("steps:\n  - id: build\n    shell: make\n");
  (void)rest();
  end("build", R"({"success": false, "exitCode": 2, "stdout": "", "stderr": "no rule"})");
  EXPECT_EQ(rest().reason, "process-error: the command ended with 2");
}

TEST_F(Documents, UnlessItIsTriedAgainTakenOrPassedOver) {
  make(R"(
steps:
  - id: flaky
    shell: make
    retry: {attempts: 2, backoff: 1s}
  - id: passed
    shell: lint
    continue_on_error: true
  - steps:
      - id: inner
        agent: a
        prompt: p
    catch:
      - log: "${error.name}: ${error.message}"
output: [ "${steps.flaky.exitCode}", "${steps.passed.exitCode}" ]
)");
  (void)rest();
  end("flaky", R"({"success": false, "exitCode": 1})");
  EXPECT_EQ(rest().reason, "sleep-waiting");
  clock_.advance(Millis{1000});
  (void)rest();
  end("flaky", R"({"success": true, "exitCode": 0})");
  (void)rest();
  end("passed", R"({"success": false, "exitCode": 7})");
  (void)rest();
  end("inner", "error");
  auto const done = rest();
  EXPECT_EQ(done.state, IterateState::completed) << done.reason;
  EXPECT_EQ(json::serialize(done.output), "[0,7]");
}

TEST_F(Documents, ForEachGoesOverAListSoManyAtATime) {
  make(R"(
steps:
  - id: all
    for_each: ${inputs.repositories}
    as: repository
    concurrency: 2
    output: "${index}: ${steps.review}"
    steps:
      - id: review
        agent: reviewer
        prompt: Review ${repository}
output: ${steps.all}
)",
       json::object{{"repositories", json::array{"a", "b", "c"}}});
  auto const first = rest();
  ASSERT_EQ(first.actions.size(), 2U);
  EXPECT_EQ(first.actions.at(1).definition.at("agent").at("prompt").as_string(), "Review b");
  end("review", "\"A\"");
  EXPECT_EQ(rest().actions.size(), 2U);
  end("review", "\"B\"");
  (void)rest();
  end("review", "\"C\"");
  EXPECT_EQ(json::serialize(rest().output), R"(["0: A","1: B","2: C"])");
}

TEST_F(Documents, BranchesRunAtOnceAndAreNamed) {
  make(R"(
steps:
  - id: both
    parallel:
      left: [{id: a, agent: x, prompt: p}]
      right:
        - {id: b, agent: y, prompt: p}
        - {set: {seen: "${steps.b}"}}
output: ["${steps.both}", "${has(vars.seen)}"]
)");
  EXPECT_EQ(labels(rest()), (Labels{"a", "b"}));
  end("b", "2");
  end("a", "1");
  EXPECT_EQ(json::serialize(rest().output), R"([{"left":1,"right":{"seen":2}},false])");
}

// The other branch goes on when what began it is long over.
TEST_F(Documents, WhatAFailedBranchLeavesOpenGoesOnAndIsWaitedFor) {
  make(R"(
steps:
  - steps:
      - parallel:
          left: [{id: a, agent: x, prompt: p}]
          right: [{id: b, agent: y, prompt: p}, {id: c, agent: "${'z'}", prompt: p}]
    catch: [{log: "${error.message}"}]
output: done
)");
  (void)rest();
  end("a", "error");
  EXPECT_EQ(labels(rest()), Labels{"b"});
  end("b", "1");
  EXPECT_EQ(labels(rest()), Labels{"c"});
  end("c", "2");
  auto const done = rest();
  EXPECT_EQ(done.state, IterateState::completed) << done.reason;
  EXPECT_EQ(json::serialize(done.output), "\"done\"");
}

TEST_F(Documents, LoopsGoRoundWhileUntilAndAtMost) {
  make(R"(
steps:
  - set: {n: 0}
  - while: vars.n < 3
    max: 10
    steps: [{set: {n: "${vars.n + 1}"}}]
  - id: tries
    until: steps.fix == 'done'
    max: 3
    steps: [{id: fix, agent: fixer, prompt: "try ${index}"}]
output: ["${vars.n}", "${steps.tries}"]
)");
  auto const first = rest();
  EXPECT_EQ(first.actions.at(0).definition.at("agent").at("prompt").as_string(), "try 0");
  end("fix", "\"more\"");
  (void)rest();
  end("fix", "\"done\"");
  EXPECT_EQ(json::serialize(rest().output), R"([3,"done"])");
}

TEST_F(Documents, ALoopThatMakesNoEndIsAnError) {
  make("steps:\n  - while: true\n    max: 5\n    steps: [{log: x}]\n");
  auto const failed = rest();
  EXPECT_EQ(failed.state, IterateState::failed);
  EXPECT_NE(failed.reason.find("flow.yaml:2: it went round 5 times"), std::string::npos);
}

TEST_F(Documents, TimersSignalsAndChildren) {
  make(R"(
steps:
  - sleep: 1h
  - {id: go, signal: "deploy-${inputs.name}"}
  - {id: sub, child: other.yaml, inputs: {sha: "${steps.go.sha}"}}
  - sleep: {until: "2020-01-01T00:00:00Z"}
output: ${steps.sub}
)",
       json::object{{"name", "x"}});
  EXPECT_EQ(rest().reason, "sleep-waiting");
  clock_.advance(Millis{3'600'000});
  EXPECT_EQ(labels(rest()), Labels{"deploy-x"});
  {
    auto opened = OpenRun::open(run_, "test", clock_, random_);
    json::object data{{"name", "deploy-x"}, {"payload", json::object{{"sha", "abc"}}}};
    ASSERT_TRUE(opened->append(NewEvent{event_type::kSignal, std::move(data)}));
  }
  auto const child = rest();
  EXPECT_EQ(child.reason, "child-pending");
  EXPECT_EQ(child.actions.at(0).definition.at("child").at("inputs").at("sha").as_string(), "abc");
  end(child.actions.at(0).effect.label, "42");
  EXPECT_EQ(json::serialize(rest().output), "42");
}

TEST_F(Documents, APersonMayTakeTooLong) {
  make("steps:\n  - {id: gate, breakpoint: ship it, timeout: 1h}\n");
  EXPECT_EQ(rest().actions.size(), 2U);
  clock_.advance(Millis{3'600'000});
  EXPECT_EQ(rest().reason, "process-error: gate took longer than 3600000 ms");
}

TEST_F(Documents, ACommandThatFallsSilentIsBegunAgainWithWhatItSaidLast) {
  make("steps:\n  - {id: crawl, shell: crawl, heartbeat: 1m, retry: {attempts: 2, backoff: 1s}}\n");
  auto const first = rest().actions.at(0);
  EXPECT_EQ(first.definition.at("heartbeatTimeoutMs").to_number<int>(), 60'000);
  EXPECT_FALSE(first.definition.as_object().contains("lastHeartbeat"));
  {
    auto opened = OpenRun::open(run_, "test", clock_, random_);
    ASSERT_TRUE(opened) << opened.error().message;
    ASSERT_TRUE(
        opened->post(first.effect.id, silent_result(Millis{60'000}, json::object{{"page", 7}})));
  }
  (void)rest();
  clock_.advance(Millis{1'000});
  auto const second = rest().actions.at(0);
  EXPECT_NE(second.effect.id, first.effect.id);
  EXPECT_EQ(json::serialize(second.definition.at("lastHeartbeat")), R"({"page":7})");
}

TEST_F(Documents, InputsAreThoseThatItNames) {
  make("inputs: {a: }\nsteps: [{log: x}]\n", json::object{{"b", 1}});
  EXPECT_EQ(rest().reason, "process-error: the workflow has no input 'b'");
}

TEST_F(Documents, AnExpressionThatDoesNotFitNamesItsLine) {
  make("steps:\n  - log: x\n  - log: ${steps.nothing.x}\n");
  EXPECT_NE(rest().reason.find("flow.yaml:3: there is no member 'nothing'"), std::string::npos);
}

TEST_F(Documents, AChangedCommandContradictsTheJournalAndNamesTheLine) {
  make("steps:\n  - id: build\n    shell: make\n  - shell: test\n");
  (void)rest();
  end("build", "{}");
  ASSERT_TRUE(os::write_file_atomic(folder_ + "/flow.yaml",
                                    "steps:\n  - id: build\n    shell: make all\n"));
  auto const again = iterate(run_, {}, clock_, random_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::conflict);
  EXPECT_NE(again.error().message.find("flow.yaml:2"), std::string::npos) << again.error().message;
}

TEST_F(Documents, ADocumentThatWasBrokenSinceIsRefused) {
  make("steps:\n  - id: build\n    shell: make\n");
  ASSERT_TRUE(os::write_file_atomic(folder_ + "/flow.yaml", "steps: 3\n"));
  EXPECT_EQ(iterate(run_, {}, clock_, random_).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace drover::workflow
