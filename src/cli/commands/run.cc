#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/dispatch.h"
#include "cli/exit_codes.h"
#include "cli/run_view.h"
#include "cli/workspace_grants.h"

namespace drover::cli {

namespace {

// The key makes it safe to ask again when the answer was lost on the way.
Result<json::object> dispatch(Context const& context, ApiClient& client, std::string const& path,
                              json::object const& body, std::string const& given_key) {
  std::string const key =
      given_key.empty() ? new_id_text("cli", context.clock, context.random) : given_key;
  auto answer = client.post(path, body, key);
  if (!answer && answer.error().code == ErrorCode::unavailable)
    answer = client.post(path, body, key);
  return answer;
}

template <class Command>
int follow_or_detach(Context const& context, ApiClient const& client, json::object const& answer,
                     Command const& command) {
  auto const ref = run_ref_of(answer, "run");
  if (!ref) return report(context, ref.error());
  Screen& screen = context.screen;
  if (auto const* const duplicate = answer.if_contains("duplicate");
      duplicate != nullptr && duplicate->is_bool() && duplicate->get_bool())
    screen.note(fmt::format("drover: nothing was started: {} has the key already", ref->run));
  // Nobody there takes it: without a word the wait would look like work.
  if (auto const why = printable(string_or(answer, "detail", ""), 500); !why.empty())
    screen.note(fmt::format("drover: {} {}", ref->run, why));
  if (command.follow == Follow::yes) {
    screen.note(
        paint(screen.err_style(), Paint::dim, fmt::format("{} in {}", ref->run, ref->session)));
    return follow_run(context, client, *ref, {command.format, command.show_diff});
  }
  if (command.format == Format::json) {
    screen.print(json_line(json::serialize(answer), screen.out_style()));
    return kExitOk;
  }
  screen.print(ref->run.str() + "\n");
  screen.note(fmt::format("follow it with: drover attach {}", ref->run));
  return kExitOk;
}

bool wishes_anything(QueueWishes const& wishes) {
  return wishes.priority || wishes.delay || !wishes.at.empty() || !wishes.tenant.empty() ||
         !wishes.keys.empty() || !wishes.dedup_key.empty();
}

Status check_continuation(RunCommand const& command) {
  bool const grants = command.access == Access::read_only ||
                      command.checkout != Checkout::in_place || command.init == Init::if_needed;
  if (grants)
    return fail(ErrorCode::invalid_argument,
                "--ro, --worktree, --allow-dirty and --init go with -w; without it session {} "
                "keeps the workspaces it has",
                command.session);
  if (wishes_anything(command.queue))
    return fail(ErrorCode::invalid_argument,
                "--priority, --delay, --at, --key, --tenant and --dedup go with -w; a message to "
                "session {} waits for its turn in the session",
                command.session);
  if (!command.task_type.empty())
    return fail(ErrorCode::invalid_argument,
                "--task goes with -w; a message to session {} is a prompt", command.session);
  if (!command.agent.empty())
    return fail(ErrorCode::invalid_argument,
                "session {} keeps the agent it began with; leave out "
                "--agent",
                command.session);
  if (!command.runner.empty())
    return fail(ErrorCode::invalid_argument,
                "session {} keeps the runner it began with; leave out --runner", command.session);
  return {};
}

int continue_session(Context const& context, SendCommand const& command) {
  auto client = connect_or_start(context);
  if (!client) return report(context, client.error());
  auto const answer =
      dispatch(context, *client, fmt::format("/sessions/{}/messages", command.session),
               make_message(command), command.idempotency_key);
  if (!answer) return report(context, answer.error());
  return follow_or_detach(context, *client, *answer, command);
}

SendCommand as_send(RunCommand const& command) {
  return {.session = SessionId::trusted(command.session),
          .prompt = command.prompt,
          .model = command.model,
          .idempotency_key = command.idempotency_key,
          .max_turns = command.max_turns,
          .max_budget_usd = command.max_budget_usd,
          .timeout = command.timeout,
          .follow = command.follow,
          .format = command.format,
          .show_diff = command.show_diff};
}

// Prompt and model as they are sent. What is wrong with them shows before anything is started.
template <class Command>
Status resolve(Command& command) {
  auto prompt = read_prompt(command.prompt, STDIN_FILENO);
  if (!prompt) return std::unexpected(prompt.error());
  auto model = resolve_model(command.model);
  if (!model) return std::unexpected(model.error());
  command.prompt = *std::move(prompt);
  command.model = *std::move(model);
  return {};
}

Status resolve_run(RunCommand& command) {
  auto payload = read_payload(command.payload);
  if (!payload) return std::unexpected(payload.error());
  command.payload = *std::move(payload);
  // The prompt of the task type may be all there is to say.
  if (!command.prompt.empty() || command.task_type.empty()) return resolve(command);
  auto model = resolve_model(command.model);
  if (!model) return std::unexpected(model.error());
  command.model = *std::move(model);
  return {};
}

}  // namespace

int execute(Context const& context, RunCommand const& given) {
  RunCommand command = given;
  if (auto const resolved = resolve_run(command); !resolved)
    return report(context, resolved.error());
  if (!command.session.empty() && command.workspaces.empty()) {
    if (auto const fits = check_continuation(command); !fits) return report(context, fits.error());
    return continue_session(context, as_send(command));
  }
  auto client = connect_or_start(context);
  if (!client) return report(context, client.error());
  auto const workspaces = open_workspaces(*client, command);
  if (!workspaces) return report(context, workspaces.error());
  auto const answer =
      dispatch(context, *client, "/runs",
               make_invocation(command, *workspaces, subject_of(context.environment)),
               command.idempotency_key);
  if (!answer) return report(context, answer.error());
  return follow_or_detach(context, *client, *answer, command);
}

int execute(Context const& context, SendCommand const& given) {
  SendCommand command = given;
  if (auto const resolved = resolve(command); !resolved) return report(context, resolved.error());
  return continue_session(context, command);
}

}  // namespace drover::cli
