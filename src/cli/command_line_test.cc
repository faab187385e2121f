#include "cli/command_line.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/text.h"

namespace drover::cli {
namespace {

Result<CommandLine> parse(std::vector<std::string> const& words) {
  return parse_command_line(words);
}

template <class Command>
Command command(std::vector<std::string> const& words) {
  auto line = parse(words);
  if (!line) {
    ADD_FAILURE() << line.error().text();
    return {};
  }
  EXPECT_TRUE(std::holds_alternative<Command>(line->command));
  return std::get<Command>(line->command);
}

std::string complaint(std::vector<std::string> const& words) {
  auto const line = parse(words);
  if (line) return "accepted";
  EXPECT_EQ(line.error().code, ErrorCode::invalid_argument);
  return line.error().text();
}

TEST(CommandLine, RunTakesAllItsOptions) {
  auto const run = command<RunCommand>({"run",
                                        "-w",
                                        "a",
                                        "--workspace",
                                        "b",
                                        "--model",
                                        "scripted:x",
                                        "--agent",
                                        "dev",
                                        "--session",
                                        "ses-1",
                                        "--max-turns",
                                        "7",
                                        "--max-budget-usd",
                                        "1.5",
                                        "--timeout",
                                        "90s",
                                        "--worktree",
                                        "--init",
                                        "--detach",
                                        "--json",
                                        "--no-diff",
                                        "--idempotency-key",
                                        "k",
                                        "do it"});
  EXPECT_EQ(run.prompt, "do it");
  EXPECT_EQ(run.workspaces, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(run.model, "scripted:x");
  EXPECT_EQ(run.agent, "dev");
  EXPECT_EQ(run.session, "ses-1");
  EXPECT_EQ(run.max_turns, 7);
  EXPECT_EQ(run.max_budget_usd, 1.5);
  EXPECT_EQ(run.timeout, Millis{90'000});
  EXPECT_EQ(run.checkout, Checkout::worktree);
  EXPECT_EQ(run.access, Access::read_write);
  EXPECT_EQ(run.init, Init::if_needed);
  EXPECT_EQ(run.follow, Follow::no);
  EXPECT_EQ(run.format, Format::json);
  EXPECT_EQ(run.show_diff, ShowDiff::no);
  EXPECT_EQ(run.idempotency_key, "k");
}

TEST(CommandLine, DefaultsAreTheOrdinaryCase) {
  auto const run = command<RunCommand>({"run", "hello"});
  EXPECT_TRUE(run.workspaces.empty());
  EXPECT_EQ(run.checkout, Checkout::in_place);
  EXPECT_EQ(run.follow, Follow::yes);
  EXPECT_EQ(run.format, Format::text);
  EXPECT_FALSE(run.max_turns || run.max_budget_usd || run.timeout);
}

TEST(CommandLine, AWorkspaceOptionDoesNotSwallowThePrompt) {
  EXPECT_EQ(command<RunCommand>({"run", "-w", "dir", "prompt"}).prompt, "prompt");
  EXPECT_EQ(command<RunCommand>({"run", "prompt", "-w", "dir"}).prompt, "prompt");
  EXPECT_EQ(command<RunCommand>({"run", "--", "-w is an option"}).prompt, "-w is an option");
  EXPECT_EQ(command<RunCommand>({"run", "-"}).prompt, "-");
}

TEST(CommandLine, ATaskTypeMayStandForThePrompt) {
  auto const run = command<RunCommand>({"run", "--task", "pr-review", "--payload", "@p.json"});
  EXPECT_EQ(run.task_type, "pr-review");
  EXPECT_EQ(run.payload, "@p.json");
  EXPECT_EQ(run.prompt, "");
  EXPECT_EQ(run.access, Access::of_task);
  EXPECT_EQ(command<RunCommand>({"run", "--task", "t", "--rw"}).access, Access::read_write);
  EXPECT_EQ(command<RunCommand>({"run", "--task", "t", "--worktree"}).access, Access::read_write);
  EXPECT_EQ(command<RunCommand>({"run", "--task", "t", "--ro"}).access, Access::read_only);
  EXPECT_EQ(command<RunCommand>({"run", "--propose", "go"}).access, Access::propose);
  EXPECT_FALSE(parse({"run", "--ro", "--rw", "go"}));
  EXPECT_FALSE(parse({"run", "--payload", "{}", "go"})) << "a payload of what?";
  EXPECT_FALSE(parse({"run", "-w", "dir"})) << "neither a prompt nor a type";
}

TEST(CommandLine, WhatARunAsksOfTheQueue) {
  auto const wishes =
      command<RunCommand>({"run", "--priority", "high", "--delay", "90s", "--key", "github:4",
                           "--key", "db:main", "--tenant", "team-a", "--dedup", "pr:123:2h", "go"})
          .queue;
  EXPECT_EQ(wishes.priority, 1);
  EXPECT_EQ(wishes.delay, std::chrono::seconds{90});
  std::vector<KeyShare> const keys = {{"github", 4}, {"db:main", 1}};
  EXPECT_EQ(wishes.keys, keys);
  EXPECT_EQ(wishes.tenant, "team-a");
  EXPECT_EQ(wishes.dedup_key, "pr:123");
  EXPECT_EQ(wishes.dedup_life, std::chrono::hours{2});
  EXPECT_EQ(command<RunCommand>({"run", "--dedup", "pr:123", "go"}).queue.dedup_key, "pr:123");
  EXPECT_EQ(command<RunCommand>({"run", "--priority", "0", "go"}).queue.priority, 0);
  for (auto const& bad : std::vector<std::vector<std::string>>{{"--priority", "urgent"},
                                                               {"--priority", "101"},
                                                               {"--delay", "soon"},
                                                               {"--at", "tomorrow"},
                                                               {"--key", "github:0"}}) {
    std::vector<std::string> arguments{"run", "go"};
    arguments.insert(arguments.end(), bad.begin(), bad.end());
    EXPECT_FALSE(parse_command_line(arguments)) << bad[0] << ' ' << bad[1];
  }
  EXPECT_FALSE(parse({"run", "--delay", "1m", "--at", "2999-01-01T00:00:00Z", "go"}));
}

TEST(CommandLine, EveryCommandParses) {
  EXPECT_EQ(command<UpCommand>({"up", "--foreground", "--port", "80"}).port, 80);
  EXPECT_EQ(command<ServeCommand>({"serve", "--host", "::1"}).host, "::1");
  EXPECT_EQ(command<ServeCommand>({"serve"}).own_worker, OwnWorker::yes);
  EXPECT_EQ(command<ServeCommand>({"serve", "--no-worker"}).own_worker, OwnWorker::no);
  EXPECT_EQ(command<ServeCommand>({"serve", "--paused"}).dispatch, Dispatch::paused);
  EXPECT_EQ(command<UpCommand>({"up", "--paused"}).dispatch, Dispatch::paused);
  EXPECT_EQ(command<UpCommand>({"up"}).dispatch, Dispatch::running);
  (void)command<DownCommand>({"down"});
  EXPECT_EQ(command<SendCommand>({"send", "ses-1", "more"}).session.str(), "ses-1");
  EXPECT_EQ(command<PsCommand>({"ps", "--state", "failed", "--limit", "5"}).limit, 5);
  EXPECT_EQ(command<AttachCommand>({"attach"}).target, "");
  EXPECT_EQ(command<LogsCommand>({"logs", "-f", "run-1"}).follow, Follow::yes);
  EXPECT_EQ(command<EventsCommand>({"events", "run-1", "--after", "3"}).after, 3);
  EXPECT_EQ(command<DiffCommand>({"diff", "run-1"}).run, "run-1");
  EXPECT_EQ(command<CancelCommand>({"cancel", "run-1"}).run.str(), "run-1");
  EXPECT_EQ(command<SessionsCommand>({"sessions", "--json"}).format, Format::json);
  EXPECT_EQ(command<SessionRemoveCommand>({"sessions", "rm", "ses-1"}).removal,
            Removal::landed_only);
  EXPECT_EQ(command<SessionEnvironmentCommand>({"sessions", "env", "ses-1"}).session.str(),
            "ses-1");
  EXPECT_EQ(command<SessionRemoveCommand>({"sessions", "rm", "--force", "ses-1"}).removal,
            Removal::force);
  (void)command<WorkspacesCommand>({"workspaces"});
  EXPECT_EQ(command<WorkspaceAddCommand>({"workspaces", "add", "d", "--id", "x"}).id, "x");
  EXPECT_EQ(command<WorkspaceRemoveCommand>({"workspaces", "rm", "x"}).workspace.str(), "x");
  (void)command<DefinitionsCommand>({"task-types"});
  EXPECT_EQ(command<DefinitionShowCommand>({"task-types", "show", "chat"}).name, "chat");
  EXPECT_EQ(command<DefinitionApplyCommand>({"task-types", "apply", "-f", "a.toml"}).paths,
            std::vector<std::string>{"a.toml"});
  EXPECT_EQ(command<DefinitionRemoveCommand>({"task-types", "rm", "chat"}).name, "chat");
  EXPECT_FALSE(command<ApprovalsCommand>({"approvals"}).all);
  auto const decision =
      command<ApprovalsDecideCommand>({"approvals", "reject", "apr-1", "apr-2", "--comment", "no"});
  EXPECT_EQ(decision.approvals, (std::vector<std::string>{"apr-1", "apr-2"}));
  EXPECT_EQ(decision.comment, "no");
  EXPECT_EQ(command<DefinitionsCommand>({"agents"}).kind, Definition::agent);
  EXPECT_EQ(command<DefinitionShowCommand>({"agents", "show", "dev"}).kind, Definition::agent);
  EXPECT_EQ(command<DefinitionRemoveCommand>({"agents", "rm", "dev"}).name, "dev");
  EXPECT_EQ(command<QueuesCommand>({"queues", "list", "--json"}).format, Format::json);
  EXPECT_EQ(command<QueueLimitsCommand>({"queues", "limits"}).file, "");
  EXPECT_EQ(command<QueueLimitsCommand>({"queues", "limits", "-f", "q.toml"}).file, "q.toml");
  EXPECT_EQ(command<QueueChangeCommand>({"queues", "resume"}).queue, "all");
  EXPECT_EQ(command<QueueChangeCommand>({"queues", "resume", "pool:x"}).queue, "pool:x");
  EXPECT_EQ(command<QueueChangeCommand>({"queues", "resume", "all"}).change, QueueChange::resume);
  EXPECT_EQ(command<DeadLettersCommand>({"dead-letters", "--limit", "3"}).limit, 3);
  EXPECT_EQ(command<DeadLetterEndCommand>({"dead-letters", "replay", "run-1", "run-2"}).runs.size(),
            2U);
  EXPECT_EQ(command<DeadLetterEndCommand>({"dead-letters", "discard", "run-1"}).end,
            DeadLetterEnd::discard);
  EXPECT_EQ(command<LandCommand>({"land", "ses-1"}).strategy, "auto");
  EXPECT_EQ(command<ModelServeCommand>({"model", "serve", "f", "--port", "1"}).script, "f");
  (void)command<VersionCommand>({"version"});
  (void)command<VersionCommand>({"--version"});
  EXPECT_EQ(parse({"--server", "http://h", "ps"})->server, "http://h");
  EXPECT_EQ(parse({"ps", "--server", "http://h"})->server, "http://h");
}

TEST(CommandLine, TheServersOwnWorkerHasLabels) {
  auto const serve = command<ServeCommand>({"serve", "--label", "gpu=a100", "--label", "zone=eu"});
  ASSERT_EQ(serve.labels.size(), 2U);
  EXPECT_EQ(serve.labels.back(), (std::pair<std::string, std::string>{"zone", "eu"}));
  EXPECT_FALSE(parse({"serve", "--label", "gpu"}));
}

TEST(CommandLine, AWorkersOptionsAreChecked) {
  auto const worker = command<WorkerCommand>(
      {"worker", "--pool", "a", "--pool", "b", "--task-type", "t", "--label", "zone=eu=1",
       "--slots", "3", "--lease", "2m", "--drain-timeout", "0s", "--mode", "job", "--name", "w-1"});
  EXPECT_EQ(worker.pools, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(worker.task_types, std::vector<std::string>{"t"});
  ASSERT_EQ(worker.labels.size(), 1U);
  EXPECT_EQ(worker.labels.front(), (std::pair<std::string, std::string>{"zone", "eu=1"}));
  EXPECT_EQ(worker.slots, 3);
  EXPECT_EQ(worker.lease, Millis{120'000});
  EXPECT_EQ(worker.drain, Millis{0});
  EXPECT_EQ(worker.mode, "job");
  EXPECT_EQ(worker.name, "w-1");
  EXPECT_EQ(parse({"worker", "--join", "http://h"})->server, "http://h");
  for (std::vector<std::string> const& wrong : {std::vector<std::string>{"--slots", "0"},
                                                {"--lease", "100ms"},
                                                {"--lease", "2h"},
                                                {"--label", "zone"},
                                                {"--label", "=x"},
                                                {"--name", "../x"},
                                                {"--drain-timeout", "soon"}}) {
    std::vector<std::string> words{"worker"};
    words.insert(words.end(), wrong.begin(), wrong.end());
    EXPECT_FALSE(parse(words)) << wrong.front() << " " << wrong.back();
  }
}

TEST(CommandLine, MistakesAreNamedWithTheLikelyWord) {
  EXPECT_EQ(complaint({"rn", "x"}), "there is no command 'rn'; did you mean 'run'?");
  EXPECT_EQ(complaint({"frobnicate"}), "there is no command 'frobnicate'; see drover --help");
  EXPECT_EQ(complaint({"run", "--modle", "m", "x"}),
            "run has no option --modle; did you mean --model?");
  EXPECT_EQ(complaint({"run", "fix", "the", "test"}),
            "run does not take the argument 'the'; put the prompt in quotes");
  EXPECT_EQ(complaint({"workspaces", "ad"}),
            "workspaces does not take the argument 'ad'; did you mean workspaces add?");
  EXPECT_EQ(complaint({"run"}),
            "run needs a prompt in quotes, or - for stdin; see drover run --help");
  EXPECT_EQ(complaint({"land"}), "land needs a session to work on; see drover land --help");
  EXPECT_EQ(complaint({"approvals", "show"}),
            "approvals show needs an approval to work on; see drover approvals show --help");
  EXPECT_EQ(complaint({"run", "x", "--model"}),
            "run: --model needs a value; see drover run --help");
  EXPECT_EQ(complaint({"model"}), "model needs a subcommand; see drover model --help");
  EXPECT_EQ(complaint({"--frob"}),
            "there is no option '--frob' before a command; see drover --help");
}

TEST(CommandLine, ValuesAreCheckedBeforeAnythingIsSent) {
  for (char const* const turns : {"0", "-1", "x", "1x", "1.5", "99999999999999999999"})
    EXPECT_TRUE(complaint({"run", "p", "--max-turns", turns}).starts_with("--max-turns takes"))
        << turns;
  for (char const* const budget : {"-1", "nan", "inf", "x", "1e300"})
    EXPECT_TRUE(
        complaint({"run", "p", "--max-budget-usd", budget}).starts_with("--max-budget-usd takes"))
        << budget;
  for (char const* const timeout : {"0", "x", "-5s", "9999h"})
    EXPECT_TRUE(complaint({"run", "p", "--timeout", timeout}).starts_with("--timeout takes"))
        << timeout;
  EXPECT_TRUE(complaint({"up", "--port", "65536"}).starts_with("--port takes"));
  EXPECT_TRUE(complaint({"ps", "--state", "gone"}).starts_with("--state takes one of"));
  EXPECT_TRUE(complaint({"land", "ses-1", "--strategy", "x"}).starts_with("--strategy takes"));
  for (auto const* const id : {"../x", "a/b", "A", "", "a b", "-x"})
    EXPECT_NE(complaint({"cancel", id}), "accepted") << id;
  EXPECT_TRUE(complaint({"attach", "../../x"}).contains("is not a run id"));
  EXPECT_TRUE(complaint({"run", "p", "--session", "../x"}).contains("is not a session id"));
  EXPECT_TRUE(complaint({"run", "p", "--worktree", "--allow-dirty"}).contains("exclude"));
  EXPECT_TRUE(complaint({"run", "p", "--ro", "--worktree"}).contains("--ro"));
}

TEST(CommandLine, ComplaintsAreOneHarmlessLine) {
  for (std::vector<std::string> const& words : {std::vector<std::string>{"\x1b]0;x\x07"},
                                                {"run", "--\x1b[2J", "x"},
                                                {"ps", "a\nb\x1b"},
                                                {"run", "p", "--timeout", "\x1b\n"}}) {
    std::string const text = complaint(words);
    EXPECT_EQ(terminal_safe(text, Lines::flatten), text);
  }
}

TEST(CommandLine, AWorkloadIsOfAProfile) {
  auto const start = command<WorkloadStartCommand>({"workloads", "start", "indexer", "--env", "A=1",
                                                    "--env", "B=x=y", "--idle", "10m", "--backend",
                                                    "docker", "--callback", "http://127.0.0.1/x"});
  EXPECT_EQ(start.profile, "indexer");
  EXPECT_EQ(start.id, "indexer");
  EXPECT_EQ(start.env.at("B"), "x=y");
  EXPECT_EQ(start.idle, Millis{600'000});
  EXPECT_EQ(start.lifetime, std::nullopt);
  EXPECT_EQ(start.backend, "docker");
  EXPECT_EQ(command<WorkloadStartCommand>({"workloads", "start", "p", "--id", "a b"}).id, "a b");
  EXPECT_EQ(command<WorkloadActionCommand>({"workloads", "rm", "x"}).action,
            WorkloadAction::remove);
  EXPECT_TRUE(complaint({"workloads", "start", "p", "--env", "=x"}).contains("NAME=VALUE"));
}

TEST(CommandLine, AgentsAreKept) {
  auto const apply = command<DefinitionApplyCommand>(
      {"agents", "apply", "-f", "a.toml", "b", "-f", "c.yaml", "--prune", "--dry-run", "-y"});
  EXPECT_EQ(apply.kind, Definition::agent);
  EXPECT_EQ(apply.paths, (std::vector<std::string>{"a.toml", "b", "c.yaml"}));
  EXPECT_TRUE(apply.prune && apply.dry_run && apply.yes);
  EXPECT_FALSE(command<DefinitionApplyCommand>({"agents", "apply", "-f", "a"}).prune);

  auto const edit =
      command<DefinitionEditCommand>({"agents", "edit", "dev", "--set", "limits.max_turns=2",
                                      "--set", "model=m", "--unset", "image"});
  EXPECT_EQ(edit.name, "dev");
  EXPECT_EQ(edit.sets, (std::vector<std::string>{"limits.max_turns=2", "model=m"}));
  EXPECT_EQ(edit.unsets, std::vector<std::string>{"image"});
  EXPECT_EQ(command<AgentEnableCommand>({"agents", "disable", "dev"}).enablement,
            Enablement::disable);
  EXPECT_EQ(command<AgentEnableCommand>({"agents", "enable", "dev"}).enablement,
            Enablement::enable);
  EXPECT_EQ(command<DefinitionRemoveCommand>({"agents", "delete", "dev"}).name, "dev");
  (void)command<DefinitionsCommand>({"agents", "ls"});

  auto const history = command<AuditCommand>({"agents", "history", "dev", "--limit", "3"});
  EXPECT_EQ(history.kind + " " + history.name, "agent dev");
  EXPECT_EQ(history.limit, 3);
  EXPECT_EQ(command<AuditCommand>({"task-types", "history", "t"}).kind, "task_type");
  EXPECT_EQ(command<AuditCommand>({"audit"}).kind, "");
  EXPECT_EQ(command<AuditShowCommand>({"audit", "show", "17"}).entry, 17);
  EXPECT_TRUE(complaint({"audit", "--kind", "run"}).contains("agent or task_type"));
}

TEST(CommandLine, AnAgentIsMadeOfOptions) {
  auto const create = command<AgentCreateCommand>(
      {"agents",    "create",    "dev",          "--model",    "m",          "--image", "x:1",
       "--tools",   "Read,Grep", "--tools",      "Bash",       "--env",      "A=b=c",   "--env",
       "B=",        "--label",   "gpu=a100",     "--resident", "--replicas", "2",       "--mount",
       "/srv/a:/a", "--mount",   "/srv/b:/b:rw", "-f",         "more.toml"});
  EXPECT_EQ(create.name, "dev");
  EXPECT_EQ(create.file, "more.toml");
  EXPECT_EQ(
      json::serialize(create.members),
      R"({"model":"m","image":"x:1","backend":"docker","resident":true,"replicas":2,)"
      R"("env":{"A":"b=c","B":""},"labels":{"gpu":"a100"},"tools":["Read","Grep","Bash"],)"
      R"("mounts":[{"source":"/srv/a","path":"/a"},{"source":"/srv/b","path":"/b","mode":"rw"}]})");
  EXPECT_TRUE(command<AgentCreateCommand>({"agents", "create", "dev"}).members.empty());
  for (auto const& [option, value] :
       {std::pair{"--mount", "a:/b"}, std::pair{"--mount", "/a"}, std::pair{"--mount", "/a:/b:x"},
        std::pair{"--env", "A"}, std::pair{"--label", "=x"}, std::pair{"--replicas", "0"}})
    EXPECT_TRUE(complaint({"agents", "create", "dev", option, value}).contains(option)) << value;
  EXPECT_TRUE(complaint({"agents", "create", "dev", "--prompt", "a", "--prompt-file", "b"})
                  .contains("--prompt-file"));
}

TEST(CommandLine, TheDashboardIsALinkOrAnObject) {
  EXPECT_EQ(command<DashboardCommand>({"dashboard"}).format, Format::text);
  EXPECT_EQ(command<DashboardCommand>({"dashboard", "--json"}).format, Format::json);
}

TEST(CommandLine, HelpNamesEveryCommand) {
  std::string const overview = command<HelpCommand>({}).text;
  EXPECT_EQ(command<HelpCommand>({"--help"}).text, overview);
  for (char const* const name :
       {"up",         "dashboard",  "serve",     "run",     "ps",          "attach",
        "logs",       "events",     "diff",      "cancel",  "send",        "sessions",
        "workspaces", "task-types", "agents",    "audit",   "approvals",   "land",
        "down",       "backup",     "workloads", "restore", "model serve", "version"}) {
    EXPECT_TRUE(overview.contains(std::string{"\n  "} + name)) << name;
    std::vector<std::string> words;
    for (auto const word : split(name, ' '))
      words.emplace_back(word);
    words.emplace_back("--help");
    EXPECT_TRUE(command<HelpCommand>(words).text.contains(std::string{"drover "} + name)) << name;
  }
  for (auto const line : split(overview, '\n'))
    EXPECT_LE(line.size(), 105U) << line;
}

TEST(CommandLine, BackupWritesUnlessItIsToVerifyAndRestoreKeepsUnlessItIsToReplace) {
  auto const plain = command<BackupCommand>({"backup"});
  EXPECT_EQ(plain.file, "");
  EXPECT_EQ(plain.act, BackupAct::write);
  EXPECT_EQ(command<BackupCommand>({"backup", "-"}).file, "-");
  auto const verify = command<BackupCommand>({"backup", "--verify", "a.tar.zst", "--json"});
  EXPECT_EQ(verify.act, BackupAct::verify);
  EXPECT_EQ(verify.file, "a.tar.zst");
  EXPECT_EQ(verify.format, Format::json);
  EXPECT_TRUE(complaint({"backup", "--verify"}).contains("the file of a backup"));
  EXPECT_TRUE(complaint({"backup", "--verify", "-"}).contains("the file of a backup"));
  EXPECT_EQ(command<RestoreCommand>({"restore", "a"}).old_state, OldState::keep);
  EXPECT_EQ(command<RestoreCommand>({"restore", "--replace", "a"}).old_state, OldState::move_aside);
  EXPECT_TRUE(complaint({"restore"}).contains("file")) << complaint({"restore"});
}

TEST(CommandLine, DoctorLooksAtTheCurrentFolderUnlessOthersAreNamed) {
  EXPECT_EQ(command<DoctorCommand>({"doctor"}).folders, std::vector<std::string>{"."});
  auto const two = command<DoctorCommand>({"doctor", "-w", "a", "-w", "b", "--json"});
  EXPECT_EQ(two.folders, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(two.format, Format::json);
  EXPECT_EQ(two.shows, DoctorShows::layers);
  EXPECT_EQ(command<DoctorCommand>({"doctor", "--apparmor-profile"}).shows,
            DoctorShows::apparmor_profile);
}

TEST(CommandLine, NearestWord) {
  std::vector<std::string> const known = {"run", "ps", "sessions", "send"};
  EXPECT_EQ(nearest_word("sesions", known), "sessions");
  EXPECT_EQ(nearest_word("sess", known), "sessions");
  EXPECT_EQ(nearest_word("banana", known), "");
  EXPECT_EQ(nearest_word("", known), "");
  EXPECT_EQ(nearest_word(std::string(100'000, 's'), known), "");
}

}  // namespace
}  // namespace drover::cli
