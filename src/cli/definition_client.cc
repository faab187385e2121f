#include "cli/definition_client.h"

#include <fmt/format.h>

#include <utility>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/dispatch.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"

namespace drover::cli {

std::string actor_of(Context const& context) {
  return fmt::format("user:{}", subject_of(context.environment));
}

Result<PresentDefinition> fetch_definition(ApiClient& client, Definition kind,
                                           std::string_view name) {
  auto const item = client.get(path_of(kind, name));
  if (!item) return std::unexpected(item.error());
  return present_of(kind, *item);
}

Result<std::vector<PresentDefinition>> fetch_definitions(ApiClient& client, Definition kind) {
  DefinitionWords const& words = words_of(kind);
  auto const answer = client.get(fmt::format("/{}", words.command));
  if (!answer) return std::unexpected(answer.error());
  auto const* const items = answer->if_contains(words.list);
  if (items == nullptr || !items->is_array())
    return fail(ErrorCode::upstream, "the server's answer has no {}s", words.noun);
  std::vector<PresentDefinition> all;
  for (json::value const& item : items->get_array()) {
    auto const* const object = item.if_object();
    auto present = present_of(kind, object == nullptr ? json::object{} : *object);
    if (!present) return std::unexpected(present.error());
    all.push_back(*std::move(present));
  }
  return all;
}

Result<json::object> put_definition(Context const& context, ApiClient& client, Definition kind,
                                    json::object const& spec, std::int64_t revision) {
  return client.put(change_path(kind, string_or(spec, "name", ""), revision, actor_of(context)),
                    spec);
}

Status remove_definition(Context const& context, ApiClient& client, Definition kind,
                         std::string_view name, std::int64_t revision) {
  return client.remove(change_path(kind, name, revision, actor_of(context)));
}

int show_put(Context const& context, Format format, json::object const& answer) {
  Screen& screen = context.screen;
  screen.print(format == Format::json ? json_object_line(answer, screen.out_style())
                                      : cell_text(answer, "name") + "\n");
  return kExitOk;
}

void note_volume(Context const& context, std::string_view name, json::object const& spec) {
  if (!flag_of(spec, "resident", false)) return;
  context.screen.note(fmt::format(
      "drover: {} was resident: its containers go, its volume stays; to wipe that, too: drover "
      "agents wipe {}",
      printable(name), printable(name)));
}

}  // namespace drover::cli
