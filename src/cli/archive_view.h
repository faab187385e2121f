#pragma once
// What `backup` and `restore` share: what this program can carry on with, and what they say of an
// archive. The texts are pure.
#include <string>

#include "backup/backup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "cli/context.h"

namespace drover::cli {

// unsupported in a build without a server; invalid_argument with --server.
[[nodiscard]] Result<backup::Compatibility> compatibility(Context const& context);

// "1.2 MB, 3 sessions, 7 runs"
[[nodiscard]] std::string sizes_of(backup::Archive const& archive);
// "2 FIFOs, sockets or devices left out, 1 file unreadable": what is not in the archive; empty when
// nothing is missing.
[[nodiscard]] std::string missing_of(backup::LeftOut const& left_out);
// For --json; `took_ms` is how long the command took.
[[nodiscard]] json::object archive_object(backup::Archive const& archive, Millis took);

}  // namespace drover::cli
