#include <fmt/format.h>

#include <algorithm>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/json_view.h"
#include "cli/listing.h"

namespace drover::cli {

namespace {

constexpr std::int64_t kPageMax = 100;

std::string sentence_of(json::object const& approval) {
  return fmt::format("{}: {}", cell_text(approval, "id"), cell_text(approval, "state"));
}

Status decide(ApiClient& client, std::string const& id, ApprovalsDecideCommand const& command,
              Screen& screen) {
  bool const approve = command.decision == Decision::approve;
  json::object decision{{"decision", approve ? "approve" : "reject"},
                        {"comment", json::string{command.comment}}};
  if (!command.response.empty()) decision["response"] = json::string{command.response};
  auto const answer = client.post(fmt::format("/approvals/{}/decision", id), decision);
  if (!answer) return std::unexpected(answer.error());
  screen.print(command.format == Format::json ? json_object_line(*answer, screen.out_style())
                                              : sentence_of(*answer) + "\n");
  return {};
}

}  // namespace

int execute(Context const& context, ApprovalsCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  Table table{{{"APPROVAL"}, {"KIND"}, {"STATE"}, {"ASKED"}, {"SESSION"}, {"TITLE"}}};
  WallTime const now = context.clock.now();
  Screen& screen = context.screen;
  auto const path = fmt::format("/approvals?limit={}{}", std::min(command.limit, kPageMax),
                                command.all ? "" : "&state=pending");
  auto const listed =
      list_pages(*client, path, "approvals", command.limit, [&](json::object const& approval) {
        if (command.format == Format::json) {
          screen.print(json_object_line(approval, screen.out_style()));
          return;
        }
        table.add({{cell_text(approval, "id")},
                   {cell_text(approval, "kind")},
                   {cell_text(approval, "state")},
                   {cell_time(approval, "created_at", now), Paint::dim},
                   {cell_text(approval, "session")},
                   {cell_text(approval, "title")}});
      });
  if (!listed) return report(context, listed.error());
  return finish_listing(context, command.format, table,
                        command.all ? "no approvals" : "nothing waits for a decision");
}

int execute(Context const& context, ApprovalShowCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const approval = client->get(fmt::format("/approvals/{}", command.approval));
  if (!approval) return report(context, approval.error());
  Screen& screen = context.screen;
  if (command.format == Format::json) {
    screen.print(json_object_line(*approval, screen.out_style()));
    return kExitOk;
  }
  screen.print(render_json(*approval, screen.out_style()));
  if (cell_text(*approval, "kind") == "change")
    screen.note(
        fmt::format("drover: what its run changed: drover diff {}", cell_text(*approval, "run")));
  return kExitOk;
}

int execute(Context const& context, ApprovalsDecideCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  int exit = kExitOk;
  for (std::string const& id : command.approvals) {
    auto const done = decide(*client, id, command, context.screen);
    if (!done) exit = report(context, done.error());
  }
  return exit;
}

}  // namespace drover::cli
