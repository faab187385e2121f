#include "backup/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "backup/own_folder.h"
#include "base/text.h"
#include "cli/archive_view.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/layout.h"
#include "cli/listing.h"
#include "os/files.h"

namespace drover::cli {

namespace {

std::string temporary_folder(Context const& context) {
  std::string folder = context.environment("TMPDIR").value_or("");
  return folder.empty() ? "/tmp" : folder;
}

Status copy_to_stdout(std::string const& file) {
  os::Fd const fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd.valid()) return fail_errno("open", file);
  std::array<char, 65536> piece{};
  for (;;) {
    ssize_t const got = ::read(fd.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read", file);
    if (got == 0) return {};
    DROVER_TRY(os::write_all(STDOUT_FILENO, {piece.data(), static_cast<std::size_t>(got)},
                             "standard output"));
  }
}

Result<backup::Archive> write_file(Context const& context, backup::Compatibility known,
                                   std::string file) {
  auto folder = state_folder(context.environment);
  if (!folder) return std::unexpected(folder.error());
  if (file.empty()) file = backup::default_file(context.clock.now());
  return backup::back_up({.state_folder = *std::move(folder),
                          .file = std::move(file),
                          .known = std::move(known),
                          .abort = &InterruptWatch::flag()},
                         context.clock);
}

// What has left cannot be read back, so it is written and checked as a file first.
Result<backup::Archive> write_stdout(Context const& context, backup::Compatibility known) {
  if (context.screen.out_style().device == Device::terminal)
    return fail_next(ErrorCode::invalid_argument, "a backup is nothing for a terminal",
                     "give a file, or pipe it into one");
  auto const folder = backup::OwnFolder::make(temporary_folder(context) + "/drover-backup-XXXXXX");
  if (!folder) return std::unexpected(folder.error());
  auto archive = write_file(context, std::move(known), folder->path() + "/backup.tar.zst");
  if (!archive) return archive;
  DROVER_TRY(copy_to_stdout(archive->file));
  archive->file = "-";
  return archive;
}

Result<backup::Archive> act(Context const& context, BackupCommand const& command) {
  auto known = compatibility(context);
  if (!known) return std::unexpected(known.error());
  if (command.act == BackupAct::verify)
    return backup::verify({.file = command.file,
                           .work_folder = temporary_folder(context),
                           .known = *std::move(known),
                           .abort = &InterruptWatch::flag()});
  if (command.file == "-") return write_stdout(context, *std::move(known));
  return write_file(context, *std::move(known), command.file);
}

}  // namespace

int execute(Context const& context, BackupCommand const& command) {
  InterruptWatch const watch;
  BootTime const begun = context.clock.boot_now();
  auto const archive = act(context, command);
  if (!archive && archive.error().code == ErrorCode::cancelled) {
    context.screen.report(archive.error());
    return kExitInterrupted;
  }
  if (!archive) return report(context, archive.error());
  auto const took = std::chrono::duration_cast<Millis>(context.clock.boot_now() - begun);
  Screen& screen = context.screen;
  std::string const missing = missing_of(archive->manifest.left_out);
  if (!missing.empty()) screen.note("drover: of the files of agents: " + missing);
  bool const verified = command.act == BackupAct::verify;
  std::string const line =
      command.format == Format::json
          ? json_object_line(archive_object(*archive, took), screen.out_style())
          : fmt::format("{}: {}, {} {}\n", printable(archive->file, 500), sizes_of(*archive),
                        verified ? "whole, read in" : "written and read back in",
                        short_duration(took));
  if (archive->file != "-")
    screen.print(line);
  else
    screen.note(line.substr(0, line.size() - 1));
  return kExitOk;
}

}  // namespace drover::cli
