#include "backup/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/json.h"
#include "base/text.h"

namespace drover::backup {

namespace {

constexpr std::int64_t kFormat = 1;

json::object print_counts(std::map<std::string, std::int64_t, std::less<>> const& counts) {
  json::object object;
  for (auto const& [name, count] : counts)
    object[name] = count;
  return object;
}

json::object print_unsigned(Manifest const& manifest) {
  json::object schema;
  for (auto const& [domain, version] : manifest.schema)
    schema[domain] = version;
  Contents const& contents = manifest.contents;
  LeftOut const& left_out = manifest.left_out;
  return {{"drover_backup", kFormat},
          {"drover", json::string{manifest.drover}},
          {"schema", std::move(schema)},
          {"created_at", to_rfc3339(manifest.created_at)},
          {"state_folder", json::string{to_utf8(manifest.state_folder)}},
          {"contents", json::object{{"files", contents.files},
                                    {"folders", contents.folders},
                                    {"symlinks", contents.symlinks},
                                    {"bytes", contents.bytes}}},
          {"left_out", json::object{{"special", left_out.special},
                                    {"vanished", left_out.vanished},
                                    {"unreadable", left_out.unreadable},
                                    {"too_large", left_out.too_large},
                                    {"changed", left_out.changed}}},
          {"rows", print_counts(manifest.rows)}};
}

std::unexpected<Error> no_manifest(std::string_view why) {
  return fail(ErrorCode::data_corrupt, "the archive's manifest does not hold together: {}", why);
}

Status read_counts(JsonObject const& object,
                   std::map<std::string_view, std::int64_t*> const& into) {
  for (auto const& [key, place] : into) {
    auto const count = object.integer(key);
    if (!count) return std::unexpected(count.error());
    *place = *count;
  }
  return {};
}

Status read_contents(JsonObject const& root, Manifest& manifest) {
  auto const contents = root.object("contents");
  if (!contents) return std::unexpected(contents.error());
  DROVER_TRY(read_counts(*contents, {{"files", &manifest.contents.files},
                                     {"folders", &manifest.contents.folders},
                                     {"symlinks", &manifest.contents.symlinks},
                                     {"bytes", &manifest.contents.bytes}}));
  auto const left_out = root.object("left_out");
  if (!left_out) return std::unexpected(left_out.error());
  return read_counts(*left_out, {{"special", &manifest.left_out.special},
                                 {"vanished", &manifest.left_out.vanished},
                                 {"unreadable", &manifest.left_out.unreadable},
                                 {"too_large", &manifest.left_out.too_large},
                                 {"changed", &manifest.left_out.changed}});
}

Status read_versions(JsonObject const& root, Manifest& manifest) {
  auto const schema = root.object("schema");
  if (!schema) return std::unexpected(schema.error());
  for (auto const& member : schema->raw()) {
    auto const version = schema->integer(member.key());
    if (!version) return std::unexpected(version.error());
    if (*version < 1 || *version > INT32_MAX)
      return fail(ErrorCode::data_corrupt, "a schema version is out of range");
    manifest.schema.emplace(member.key(), static_cast<int>(*version));
  }
  auto const rows = root.object("rows");
  if (!rows) return std::unexpected(rows.error());
  for (auto const& member : rows->raw()) {
    auto const count = rows->integer(member.key());
    if (!count) return std::unexpected(count.error());
    manifest.rows.emplace(member.key(), *count);
  }
  return {};
}

Status read_members(JsonObject const& root, Manifest& manifest) {
  for (auto const& [key, place] :
       {std::pair{"drover", &manifest.drover}, std::pair{"state_folder", &manifest.state_folder},
        std::pair{"sha256", &manifest.sha256}}) {
    auto text = root.string(key);
    if (!text) return std::unexpected(text.error());
    *place = *std::move(text);
  }
  auto const created = root.string("created_at");
  if (!created) return std::unexpected(created.error());
  auto const time = parse_rfc3339(*created);
  if (!time) return std::unexpected(time.error());
  manifest.created_at = *time;
  DROVER_TRY(read_contents(root, manifest));
  return read_versions(root, manifest);
}

std::vector<unsigned> numbers_of(std::string_view version) {
  std::vector<unsigned> numbers;
  for (std::string_view const part : split(version, '.')) {
    unsigned number = 0;
    std::from_chars(part.data(), part.data() + part.size(), number);
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

void SequenceDigest::begin(Entry const& entry) {
  // Lengths come first, so that no two sequences print the same.
  bool const link = entry.kind == EntryKind::symlink;
  hash_.update(fmt::format("{} {:o} {} {} {}\n", to_string(entry.kind), entry.mode, entry.mtime_ns,
                           entry.path.size(), link ? entry.target.size() : entry.size));
  hash_.update(entry.path);
  if (link) hash_.update(entry.target);
}

std::string SequenceDigest::finish(std::string_view manifest) {
  hash_.update("manifest\n");
  hash_.update(manifest);
  auto const digest = hash_.finish();
  return to_hex({reinterpret_cast<char const*>(digest.data()), digest.size()});
}

std::string print(Manifest const& manifest, SequenceDigest digest) {
  json::object object = print_unsigned(manifest);
  object["sha256"] = digest.finish(json::serialize(object));
  return json::serialize(object) + "\n";
}

Result<ParsedManifest> parse_manifest(std::string_view text) {
  auto value = parse_json(text);
  if (!value) return no_manifest(value.error().message);
  auto const root = JsonObject::of(*value);
  if (!root) return no_manifest(root.error().message);
  auto const format = root->integer("drover_backup");
  if (!format) return no_manifest(format.error().message);
  if (*format > kFormat)
    return fail_next(ErrorCode::conflict,
                     fmt::format("the archive has format {}, and this drover knows it up to {}",
                                 *format, kFormat),
                     "use the newer drover that wrote it");
  ParsedManifest parsed;
  if (auto const read = read_members(*root, parsed.manifest); !read)
    return no_manifest(read.error().message);
  json::object object = root->raw();
  object.erase("sha256");
  parsed.unsigned_text = json::serialize(object);
  return parsed;
}

bool newer_version(std::string_view left, std::string_view right) {
  return std::ranges::lexicographical_compare(numbers_of(right), numbers_of(left));
}

Status check_compatible(Manifest const& manifest, Compatibility const& known) {
  if (newer_version(manifest.drover, known.version))
    return fail_next(ErrorCode::conflict,
                     fmt::format("the archive was written by drover {}, and this is {}",
                                 printable(manifest.drover, 40), known.version),
                     "use the newer drover that wrote it");
  return store::refuse_newer("the store in the archive", manifest.schema, known.schema);
}

}  // namespace drover::backup
