#include "cli/grammar/dispatch_options.h"

namespace drover::cli {

namespace {

constexpr std::string_view kRunExamples = R"(Examples:
  drover run "make the failing test pass"
  drover run -w ~/src/app --worktree --max-budget-usd 2 "upgrade the parser"
  drover run --ro - < question.txt
  drover run --detach --json "nightly clean-up" | jq -r .run

Ctrl-C detaches: the run goes on. A second Ctrl-C within two seconds cancels it.)";

constexpr std::string_view kSendExamples = R"(Example:
  drover send ses-01kx "now add a test for it")";

Result<Command> make_run(Raw const& raw) {
  RunCommand command;
  DROVER_TRY(read_limits(raw, command));
  auto wishes = queue_wishes_of(raw);
  if (!wishes) return std::unexpected(wishes.error());
  command.queue = *std::move(wishes);
  DROVER_TRY(check_id<SessionId>(raw.session));
  DROVER_TRY(check_id<AgentId>(raw.agent));
  if (raw.worktree && raw.allow_dirty)
    return fail(ErrorCode::invalid_argument,
                "--worktree and --allow-dirty exclude each other: a worktree leaves uncommitted "
                "changes where they are");
  if (raw.read_only && (raw.worktree || raw.allow_dirty || raw.read_write))
    return fail(ErrorCode::invalid_argument,
                "--ro grants no writing, so --rw, --worktree and --allow-dirty have no use with "
                "it");
  if (raw.propose && (raw.read_only || raw.read_write || raw.worktree || raw.allow_dirty))
    return fail(ErrorCode::invalid_argument,
                "--propose works in a worktree of its own, so --ro, --rw, --worktree and "
                "--allow-dirty have no use with it");
  if (raw.prompt.empty() && raw.task_type.empty())
    return fail_next(ErrorCode::invalid_argument, "run needs a prompt in quotes, or - for stdin",
                     "see drover run --help");
  if (!raw.payload.empty() && raw.task_type.empty())
    return fail(ErrorCode::invalid_argument, "--payload goes with --task, which says what it is");
  command.task_type = raw.task_type;
  command.payload = raw.payload;
  command.workspaces = raw.workspaces;
  command.session = raw.session;
  command.agent = raw.agent;
  command.runner = raw.runner;
  bool const says_access = raw.read_write || raw.worktree || raw.allow_dirty;
  if (!raw.task_type.empty() && !says_access) command.access = Access::of_task;
  if (raw.read_only) command.access = Access::read_only;
  if (raw.propose) command.access = Access::propose;
  if (raw.worktree) command.checkout = Checkout::worktree;
  if (raw.allow_dirty) command.checkout = Checkout::allow_dirty;
  command.init = init_of(raw);
  return command;
}

Result<Command> make_send(Raw const& raw) {
  SendCommand command;
  auto session = SessionId::parse(raw.session);
  if (!session) return std::unexpected(session.error());
  command.session = *session;
  DROVER_TRY(read_limits(raw, command));
  return command;
}

}  // namespace

void add_work(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto* const run =
      grammar.add(grammar.app, "run", "Runs a prompt in a folder and follows it.", make_run);
  run->add_option("prompt", into.prompt, "what to do; - reads it from stdin")->type_name("");
  run->add_option("--task", into.task_type, "the type of work; its own prompt may be enough")
      ->type_name("TYPE");
  run->add_option("--payload", into.payload, "what the type takes: JSON, or @FILE")
      ->type_name("JSON");
  run->add_option("-w,--workspace", into.workspaces, "folder or workspace id (default .)")
      ->type_name("DIR")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);  // the prompt may follow
  run->add_option("--session", into.session, "continue this session")->type_name("ID");
  run->add_option("--agent", into.agent, "the agent to run")->type_name("NAME");
  run->add_option("--runner", into.runner, "native (default), or a third-party worker's")
      ->type_name("NAME");
  run->add_flag("--ro", into.read_only, "grant reading only");
  run->add_flag("--rw", into.read_write, "grant writing (default, but with --task what it says)");
  run->add_flag("--worktree", into.worktree, "work on a branch in a linked worktree");
  run->add_flag("--propose", into.propose, "let a person decide what becomes of the changes");
  run->add_flag("--allow-dirty", into.allow_dirty, "commit your uncommitted changes first");
  run->add_flag("--init", into.init, "make the folder a git repository if it is none");
  dispatch_options(grammar, run);
  queue_options(grammar, run);
  run->footer(std::string{kRunExamples});

  auto* const send = grammar.add(
      grammar.app, "send", "Continues a session with another message and follows it.", make_send);
  send->add_option("session", into.session, "the session")->type_name("")->required();
  send->add_option("prompt", into.prompt, "what to do; - reads it from stdin")
      ->type_name("")
      ->required();
  dispatch_options(grammar, send);
  send->footer(std::string{kSendExamples});
}

}  // namespace drover::cli
