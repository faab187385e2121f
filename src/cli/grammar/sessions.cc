#include "cli/grammar/grammar.h"
#include "cli/grammar/values.h"

namespace drover::cli {

namespace {

constexpr std::string_view kSessionsExamples = R"(Examples:
  drover sessions
  drover sessions rm ses-01kx     its worktree and branch, once they are landed
  docker run --env-file <(drover sessions env ses-01kx) my-worker)";

constexpr std::string_view kWorkspacesExamples = R"(Examples:
  drover workspaces
  drover workspaces add ~/src/app
  drover workspaces rm app        forgets it; no file is touched)";

Result<Command> make_land(Raw const& raw) {
  auto session = SessionId::parse(raw.session);
  if (!session) return std::unexpected(session.error());
  std::string const strategy = raw.strategy.empty() ? "auto" : raw.strategy;
  if (strategy != "auto" && strategy != "ff" && strategy != "merge")
    return fail(ErrorCode::invalid_argument, "--strategy takes auto, ff or merge, and '{}' is none",
                printable(strategy, 40));
  return LandCommand{*session, strategy, format_of(raw)};
}

Result<Command> make_workspace_add(Raw const& raw) {
  DROVER_TRY(check_id<WorkspaceId>(raw.id));
  return WorkspaceAddCommand{raw.folder.empty() ? "." : raw.folder, raw.id, init_of(raw),
                             format_of(raw)};
}

Result<Command> make_session_remove(Raw const& raw) {
  auto session = SessionId::parse(raw.session);
  if (!session) return std::unexpected(session.error());
  return SessionRemoveCommand{*session, raw.force ? Removal::force : Removal::landed_only};
}

Result<Command> make_session_environment(Raw const& raw) {
  auto session = SessionId::parse(raw.session);
  if (!session) return std::unexpected(session.error());
  return SessionEnvironmentCommand{*session, format_of(raw)};
}

Result<Command> make_workspace_remove(Raw const& raw) {
  auto workspace = WorkspaceId::parse(raw.id);
  if (!workspace) return std::unexpected(workspace.error());
  return WorkspaceRemoveCommand{*workspace};
}

}  // namespace

void add_sessions(Grammar& grammar) {
  Raw& into = grammar.raw;
  auto* const sessions =
      grammar.add(grammar.app, "sessions", "Lists or removes sessions.",
                  [](Raw const& raw) { return Result<Command>{SessionsCommand{format_of(raw)}}; });
  grammar.json(sessions);
  sessions->require_subcommand(0, 1);
  auto* const gone = grammar.add(
      *sessions, "rm", "Removes a session with its worktree and branch; its runs stay listed.",
      make_session_remove);
  gone->add_option("session", into.session, "the session")->type_name("")->required();
  gone->add_flag("--force", into.force, "also what is not merged or not committed");
  auto* const env =
      grammar.add(*sessions, "env", "Prints what the program of a third-party worker is given.",
                  make_session_environment);
  env->add_option("session", into.session, "the session")->type_name("")->required();
  grammar.json(env, "one JSON object");
  sessions->footer(std::string{kSessionsExamples});  // last: subcommands would inherit it

  auto* const land = grammar.add(grammar.app, "land",
                                 "Merges a session's branch into the checked-out one.", make_land);
  land->add_option("session", into.session, "the session")->type_name("")->required();
  land->add_option("--strategy", into.strategy, "auto (default), ff or merge")->type_name("HOW");
  grammar.json(land);

  auto* const workspaces = grammar.add(
      grammar.app, "workspaces", "Lists, adds or forgets workspaces.",
      [](Raw const& raw) { return Result<Command>{WorkspacesCommand{format_of(raw)}}; });
  grammar.json(workspaces);
  workspaces->require_subcommand(0, 1);
  auto* const added =
      grammar.add(*workspaces, "add", "Makes a folder under git a workspace.", make_workspace_add);
  added->add_option("folder", into.folder, "the folder (default .)")->type_name("");
  added->add_option("--id", into.id, "its id (default: from its name)")->type_name("ID");
  added->add_flag("--init", into.init, "make it a git repository if it is none");
  grammar.json(added);
  auto* const removed = grammar.add(*workspaces, "rm", "Forgets a workspace; touches no file.",
                                    make_workspace_remove);
  removed->add_option("workspace", into.id, "its id")->type_name("")->required();
  workspaces->footer(std::string{kWorkspacesExamples});  // last: subcommands would inherit it
}

}  // namespace drover::cli
