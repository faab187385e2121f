#include "workflow/journal_swap.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <filesystem>

#include "os/files.h"
#include "os/new_file.h"

namespace drover::workflow {

namespace {

// Both exist at every moment.
Status swap_folders(std::string const& left, std::string const& right) {
  if (::renameat2(AT_FDCWD, left.c_str(), AT_FDCWD, right.c_str(), RENAME_EXCHANGE) != 0)
    return fail_errno("exchange", left);
  return {};
}

}  // namespace

Status replace_journal(RunFolder const& run, std::vector<Event> const& events, Writer writer,
                       std::string_view backup) {
  std::string const kept = run.at(backup);
  std::string const fresh = kept + ".new";
  // Of an attempt that a crash cut off in the same millisecond.
  DROVER_TRY(os::remove_tree(fresh));
  DROVER_TRY(os::make_folders(fresh));
  for (auto const& event : events)
    DROVER_TRY(os::create_passing_file(fmt::format("{}/{}", fresh, file_name(event.name)),
                                       print_event(event, writer)));
  DROVER_TRY(os::sync_file_system(fresh));
  DROVER_TRY(swap_folders(fresh, run.journal()));
  DROVER_TRY(os::sync_folder(run.path()));
  std::error_code error;
  std::filesystem::rename(fresh, kept, error);
  if (error) return std::unexpected(system_error(error.value(), "keep the old journal as", kept));
  return os::sync_folder(run.path());
}

}  // namespace drover::workflow
