#include "cli/archive_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>
#include <vector>

#include "base/text.h"
#include "cli/layout.h"

namespace drover::cli {

namespace {

std::int64_t rows_of(backup::Manifest const& manifest, std::string_view table) {
  auto const found = manifest.rows.find(table);
  return found == manifest.rows.end() ? 0 : found->second;
}

}  // namespace

Result<backup::Compatibility> compatibility(Context const& context) {
  if (!context.server_option.empty())
    return fail_next(ErrorCode::invalid_argument,
                     "a backup is of the state folder on this machine, and --server names a server",
                     "run it where that server runs");
  if (context.entry.schema == nullptr)
    return fail_next(ErrorCode::unsupported, "this build of drover has no server to back up",
                     "build the target drover with the server linked in");
  return backup::Compatibility{DROVER_VERSION, context.entry.schema()};
}

std::string sizes_of(backup::Archive const& archive) {
  return fmt::format("{}, {}, {}", short_bytes(archive.bytes),
                     counted(rows_of(archive.manifest, "sessions"), "session"),
                     counted(rows_of(archive.manifest, "runs"), "run"));
}

std::string missing_of(backup::LeftOut const& left_out) {
  std::vector<std::string> parts;
  auto const add = [&](std::int64_t count, std::string_view one, std::string_view many) {
    if (count > 0) parts.push_back(fmt::format("{} {}", count, count == 1 ? one : many));
  };
  add(left_out.special, "FIFO, socket or device left out", "FIFOs, sockets or devices left out");
  add(left_out.vanished, "file gone before it was read", "files gone before they were read");
  add(left_out.unreadable, "file unreadable", "files unreadable");
  add(left_out.too_large, "file too large or too deep", "files too large or too deep");
  add(left_out.changed, "file changed while it was read", "files changed while they were read");
  return fmt::format("{}", fmt::join(parts, ", "));
}

json::object archive_object(backup::Archive const& archive, Millis took) {
  backup::Manifest const& manifest = archive.manifest;
  backup::LeftOut const& left_out = manifest.left_out;
  json::object schema;
  for (auto const& [domain, version] : manifest.schema)
    schema[domain] = version;
  return {{"file", json::string{to_utf8(archive.file)}},
          {"bytes", archive.bytes},
          {"sessions", rows_of(manifest, "sessions")},
          {"runs", rows_of(manifest, "runs")},
          {"files", manifest.contents.files},
          {"created_at", to_rfc3339(manifest.created_at)},
          {"drover", json::string{manifest.drover}},
          {"schema", std::move(schema)},
          {"state_folder", json::string{manifest.state_folder}},
          {"left_out", json::object{{"special", left_out.special},
                                    {"vanished", left_out.vanished},
                                    {"unreadable", left_out.unreadable},
                                    {"too_large", left_out.too_large},
                                    {"changed", left_out.changed}}},
          {"sha256", json::string{manifest.sha256}},
          {"took_ms", took.count()}};
}

}  // namespace drover::cli
