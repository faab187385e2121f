#include "backup/restore.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/text.h"
#include "cli/archive_view.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/layout.h"
#include "cli/listing.h"

namespace drover::cli {

namespace {

struct Outcome {
  std::string folder;
  backup::Restored restored;
};

Result<Outcome> act(Context const& context, RestoreCommand const& command) {
  auto known = compatibility(context);
  if (!known) return std::unexpected(known.error());
  auto folder = state_folder(context.environment);
  if (!folder) return std::unexpected(folder.error());
  auto const occupied = command.old_state == OldState::move_aside ? backup::Occupied::replace
                                                                  : backup::Occupied::refuse;
  auto restored = backup::restore({.file = command.file,
                                   .state_folder = *folder,
                                   .occupied = occupied,
                                   .known = *std::move(known),
                                   .abort = &InterruptWatch::flag()},
                                  context.clock);
  if (!restored) return std::unexpected(restored.error());
  return Outcome{*std::move(folder), *std::move(restored)};
}

// Sessions remember where their worktree is.
void note_move(Context const& context, Outcome const& outcome) {
  std::string const& before = outcome.restored.manifest.state_folder;
  if (before == to_utf8(outcome.folder)) return;
  context.screen.note(
      fmt::format("drover: the state was in {}; sessions with a worktree look for it there",
                  printable(before, 500)));
}

}  // namespace

int execute(Context const& context, RestoreCommand const& command) {
  InterruptWatch const watch;
  BootTime const begun = context.clock.boot_now();
  auto outcome = act(context, command);
  if (!outcome && outcome.error().code == ErrorCode::cancelled) {
    context.screen.report(outcome.error());
    return kExitInterrupted;
  }
  if (!outcome) return report(context, outcome.error());
  auto const took = std::chrono::duration_cast<Millis>(context.clock.boot_now() - begun);
  backup::Restored const& restored = outcome->restored;
  std::error_code error;
  backup::Archive archive{command.file, std::filesystem::file_size(command.file, error),
                          restored.manifest};
  if (error) archive.bytes = 0;  // removed meanwhile
  Screen& screen = context.screen;
  if (!restored.moved_aside.empty())
    screen.note(fmt::format("drover: the state that was there is now {}",
                            printable(restored.moved_aside, 500)));
  note_move(context, *outcome);
  if (command.format == Format::json) {
    json::object object = archive_object(archive, took);
    object["restored_to"] = json::string{to_utf8(outcome->folder)};
    object["moved_aside"] = nullptr;
    if (!restored.moved_aside.empty())
      object["moved_aside"] = json::string{to_utf8(restored.moved_aside)};
    screen.print(json_object_line(object, screen.out_style()));
    return kExitOk;
  }
  screen.print(fmt::format("{}: {}, as of {}, restored in {}; start with: drover up\n",
                           printable(outcome->folder, 500), sizes_of(archive),
                           to_rfc3339(restored.manifest.created_at), short_duration(took)));
  return kExitOk;
}

}  // namespace drover::cli
