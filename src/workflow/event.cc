#include "workflow/event.h"

#include <fmt/format.h>

#include <charconv>

#include "base/digest.h"
#include "base/text.h"
#include "workflow/js_text.h"

namespace drover::workflow {

namespace {

constexpr std::string_view kExtension = ".json";
constexpr std::size_t kBytesMax = std::size_t{64} << 20U;

// The rule of the format: the text without the member `checksum`, which is the last one.
std::optional<std::string> text_without_checksum(std::string_view text) {
  constexpr std::string_view kMember = ",\n  \"checksum\": \"";
  auto const at = text.rfind(kMember);
  if (at == std::string_view::npos) return std::nullopt;
  return fmt::format("{}\n}}\n", text.substr(0, at));
}

// Other tools' repair counts it without sdkVersion, and people edit files: then it is the content
// that counts, not its layout.
bool checksum_of_content(json::object const& entry, std::string_view checksum) {
  json::object rest;
  for (auto const& member : entry)
    if (member.key() != "checksum") rest.emplace(member.key(), member.value());
  if (sha256_hex(file_text(rest)) == checksum) return true;
  json::object shorter;
  for (auto const& member : rest)
    if (member.key() != "sdkVersion") shorter.emplace(member.key(), member.value());
  return sha256_hex(file_text(shorter)) == checksum;
}

Status check_checksum(json::object const& entry, std::string_view text) {
  auto const* const checksum = entry.if_contains("checksum");
  if (checksum == nullptr) return {};
  auto const* const stated = checksum->if_string();
  if (stated == nullptr) return fail(ErrorCode::data_corrupt, "its checksum is no text");
  auto const rest = text_without_checksum(text);
  if (rest && sha256_hex(*rest) == *stated) return {};
  if (checksum_of_content(entry, *stated)) return {};
  return fail(ErrorCode::data_corrupt, "its checksum is that of another text");
}

}  // namespace

std::string file_name(EventName const& name) {
  return fmt::format("{:06}.{}{}", name.seq, name.ulid, kExtension);
}

std::optional<EventName> parse_file_name(std::string_view file) {
  if (!file.ends_with(kExtension)) return std::nullopt;
  file.remove_suffix(kExtension.size());
  auto const dot = file.find('.');
  if (dot == std::string_view::npos || dot < 6) return std::nullopt;
  EventName name;
  auto const [end, error] = std::from_chars(file.data(), file.data() + dot, name.seq);
  if (error != std::errc{} || end != file.data() + dot || name.seq == 0) return std::nullopt;
  name.ulid = file.substr(dot + 1);
  if (name.ulid.empty() || name.ulid.find('.') != std::string::npos) return std::nullopt;
  return name;
}

std::string print_event(Event const& event, Writer writer) {
  json::object entry;
  entry.emplace("type", event.type);
  entry.emplace("recordedAt", event.recorded_at);
  entry.emplace("data", event.data);
  if (writer == Writer::current) entry.emplace("sdkVersion", kFormatVersion);
  std::string const checksum = sha256_hex(file_text(entry));
  entry.emplace("checksum", checksum);
  return file_text(entry);
}

Result<Event> parse_event(EventName name, std::string_view text) {
  JsonBounds bounds;
  bounds.bytes_max = kBytesMax;
  auto value = parse_json(text, bounds);
  if (!value) return fail(ErrorCode::data_corrupt, "{}", value.error().message);
  auto const entry = JsonObject::of(*value);
  if (!entry) return fail(ErrorCode::data_corrupt, "{}", entry.error().message);
  Event event;
  event.name = std::move(name);
  auto type = entry->string("type");
  if (!type) return fail(ErrorCode::data_corrupt, "{}", type.error().message);
  event.type = *std::move(type);
  auto time = entry->string("recordedAt");
  if (!time) return fail(ErrorCode::data_corrupt, "{}", time.error().message);
  event.recorded_at = *std::move(time);
  if (auto const data = entry->object("data"); !data)
    return fail(ErrorCode::data_corrupt, "{}", data.error().message);
  DROVER_TRY(check_checksum(entry->raw(), text));
  event.data = std::move(value->get_object().at("data").get_object());
  return event;
}

}  // namespace drover::workflow
