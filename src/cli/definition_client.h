#pragma once
// Definitions over the API: read, put and deleted, each change from the revision that was read.
// Blocking.
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/context.h"
#include "cli/definition_words.h"

namespace drover::cli {

// Who changes something, for the audit: "user:ann".
[[nodiscard]] std::string actor_of(Context const& context);

[[nodiscard]] Result<PresentDefinition> fetch_definition(ApiClient& client, Definition kind,
                                                         std::string_view name);
[[nodiscard]] Result<std::vector<PresentDefinition>> fetch_definitions(ApiClient& client,
                                                                       Definition kind);
// The answer is the definition with its new revision. conflict when it is not at `revision` any
// more; 0: nothing of that name may be stored.
[[nodiscard]] Result<json::object> put_definition(Context const& context, ApiClient& client,
                                                  Definition kind, json::object const& spec,
                                                  std::int64_t revision);
[[nodiscard]] Status remove_definition(Context const& context, ApiClient& client, Definition kind,
                                       std::string_view name, std::int64_t revision);

// What was put: its name, or all of it as JSON.
[[nodiscard]] int show_put(Context const& context, Format format, json::object const& answer);
// That its volume stays, where it had one.
void note_volume(Context const& context, std::string_view name, json::object const& spec);

}  // namespace drover::cli
