#pragma once
// Members of gateway.toml, read with the JSON pointer of what does not fit. Pure.
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "gateway/key_source.h"

namespace drover::gateway {

// Refuses a member that is not known.
[[nodiscard]] Status only(JsonObject const& object, std::initializer_list<std::string_view> known);
// Of upstreams and MCP servers: small letters, digits and '-'.
[[nodiscard]] bool is_config_name(std::string_view name);
// One text, or an array of them; empty where the member is absent.
[[nodiscard]] Result<std::vector<std::string>> texts(JsonObject const& object,
                                                     std::string_view key);
// Kind::none where the member is absent.
[[nodiscard]] Result<KeySource> key_source(JsonObject const& object, std::string_view member);
[[nodiscard]] Result<KeyHeader> parse_key_header(std::string_view text);
// Leaves `into` as it is where the member is absent.
[[nodiscard]] Status read_seconds(JsonObject const& object, std::string_view key, Millis& into);
[[nodiscard]] Result<std::int64_t> number_from_one(JsonObject const& object, std::string_view key,
                                                   std::int64_t usual, std::int64_t max);
[[nodiscard]] Result<std::optional<JsonObject>> table_of(JsonObject const& root,
                                                         std::string_view key,
                                                         std::size_t members_max);

}  // namespace drover::gateway
