#include <fmt/format.h>

#include <filesystem>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"
#include "os/files.h"

namespace drover::cli {

namespace {

constexpr std::int64_t kWorkspacesMax = 10'000;
constexpr std::size_t kShortSha = 8;

std::string head_of(json::object const& workspace) {
  std::string head = cell_text(workspace, "head").substr(0, kShortSha);
  auto const* const dirty = workspace.if_contains("dirty");
  if (dirty != nullptr && dirty->is_bool() && dirty->get_bool()) head += " +changes";
  return head;
}

}  // namespace

int execute(Context const& context, WorkspacesCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  Table table{{{"WORKSPACE"}, {"BRANCH"}, {"HEAD"}, {"WRITER"}, {"PATH"}}};
  Screen& screen = context.screen;
  auto const listed = list_pages(*client, "/workspaces", "workspaces", kWorkspacesMax,
                                 [&](json::object const& workspace) {
                                   if (command.format == Format::json) {
                                     screen.print(json_object_line(workspace, screen.out_style()));
                                     return;
                                   }
                                   table.add({{cell_text(workspace, "id")},
                                              {cell_text(workspace, "branch")},
                                              {head_of(workspace)},
                                              {cell_text(workspace, "writer")},
                                              {cell_text(workspace, "path")}});
                                 });
  if (!listed) return report(context, listed.error());
  return finish_listing(context, command.format, table,
                        "no workspaces; add one with: drover workspaces add DIR");
}

int execute(Context const& context, WorkspaceAddCommand const& command) {
  auto const path = os::real_path(command.folder);
  if (!path) return report(context, path.error());
  if (!std::filesystem::is_directory(*path) || !is_utf8(*path))
    return report(context, Error{ErrorCode::invalid_argument,
                                 fmt::format("the workspace {} is not a folder with a UTF-8 path",
                                             printable(*path)),
                                 {}});
  auto client = connect_or_start(context);
  if (!client) return report(context, client.error());
  json::object body;
  body["path"] = *path;
  if (!command.id.empty()) body["id"] = command.id;
  if (command.init == Init::if_needed) body["init"] = true;
  auto const answer = client->post("/workspaces", body);
  if (!answer) return report(context, answer.error());
  Screen& screen = context.screen;
  screen.print(command.format == Format::json ? json_object_line(*answer, screen.out_style())
                                              : cell_text(*answer, "id") + "\n");
  return kExitOk;
}

int execute(Context const& context, WorkspaceRemoveCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const removed = client->remove(fmt::format("/workspaces/{}", command.workspace));
  if (!removed) return report(context, removed.error());
  context.screen.note(
      fmt::format("drover: forgot workspace {}; its files are untouched", command.workspace));
  return kExitOk;
}

}  // namespace drover::cli
