#pragma once
// A model call as it goes to its upstream. Pure.
#include <string>
#include <string_view>

#include "base/secret.h"
#include "gateway/gateway_config.h"
#include "net/http_types.h"

namespace drover::gateway {

// Where a call of this path (of is_model_path()) goes: the address of the upstream with what its
// vendor puts behind it. An Anthropic address is without /v1 and one of OpenAI with it, as
// ANTHROPIC_BASE_URL and OPENAI_BASE_URL are.
[[nodiscard]] std::string upstream_url(Upstream const& upstream, std::string_view path);
// Headers are made anew: of the unit's only those that its vendor's API needs go along.
[[nodiscard]] net::ClientRequest upstream_request(Upstream const& upstream, Secret const& key,
                                                  std::string_view path,
                                                  net::Headers const& from_unit, std::string body);
// The header that carries a key; none for an empty one.
void add_key(net::Headers& headers, KeyHeader how, Secret const& key);
// Those of the answer that the unit may see, without the key.
[[nodiscard]] net::Headers headers_for_unit(net::Headers const& upstream, Secret const& key);

inline constexpr std::string_view kCountTokensPath = "/v1/messages/count_tokens";

}  // namespace drover::gateway
