#include "contract/identity.h"

#include <utility>

#include "contract/fields.h"
#include "contract/schemas.h"

namespace drover::contract {

Result<TokenHeader> parse_token_header(std::string_view text) {
  auto const value = parse_checked(Contract::identity, "header", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  return TokenHeader{.algorithm = text_at(object, "alg") == "HS256" ? TokenAlgorithm::hs256
                                                                    : TokenAlgorithm::eddsa,
                     .kid = optional_text(object, "kid")};
}

std::string print(TokenHeader const& header) {
  json::object out;
  out["alg"] = header.algorithm == TokenAlgorithm::hs256 ? "HS256" : "EdDSA";
  out["typ"] = "vxd";
  put(out, "kid", header.kid);
  return json::serialize(out);
}

Result<Claims> parse_claims(std::string_view text) {
  auto const value = parse_checked(Contract::identity, "claims", text);
  if (!value) return std::unexpected(value.error());
  auto const& object = value->get_object();
  Claims claims;
  claims.sub = text_at(object, "sub");
  claims.lch = optional_text(object, "lch");
  for (auto const& item : object.at("ws").get_array()) {
    auto const& grant = item.get_object();
    claims.ws.push_back({.id = WorkspaceId::trusted(text_at(grant, "id")),
                         .mode = *parse_workspace_mode(text_at(grant, "mode"))});
  }
  if (object.contains("tools")) claims.tools = texts_at(object, "tools");
  claims.iat = int_at(object, "iat");
  claims.exp = int_at(object, "exp");
  claims.nbf = optional_int(object, "nbf");
  claims.aud = optional_text(object, "aud");
  claims.unit = optional_text(object, "unit");
  if (auto run = optional_text(object, "run")) claims.run = RunId::trusted(*std::move(run));
  if (auto const epoch = optional_int(object, "epoch")) claims.epoch = Epoch{*epoch};
  claims.jti = optional_text(object, "jti");
  claims.kid = optional_text(object, "kid");
  if (auto const* budget = object.if_contains("budget"))
    claims.budget = Budget{.max_usd = optional_double(budget->get_object(), "max_usd"),
                           .max_tokens = optional_int(budget->get_object(), "max_tokens")};
  return claims;
}

std::string print(Claims const& claims) {
  json::object out;
  out["sub"] = claims.sub;
  put(out, "lch", claims.lch);
  json::array ws;
  for (auto const& grant : claims.ws) {
    json::object item;
    item["id"] = grant.id.str();
    item["mode"] = to_string(grant.mode);
    ws.emplace_back(std::move(item));
  }
  out["ws"] = std::move(ws);
  if (claims.tools) out["tools"] = to_array(*claims.tools);
  out["iat"] = claims.iat;
  out["exp"] = claims.exp;
  put(out, "nbf", claims.nbf);
  put(out, "aud", claims.aud);
  put(out, "unit", claims.unit);
  if (claims.run) out["run"] = claims.run->str();
  if (claims.epoch) out["epoch"] = static_cast<std::int64_t>(*claims.epoch);
  put(out, "jti", claims.jti);
  put(out, "kid", claims.kid);
  if (claims.budget) {
    json::object budget;
    put(budget, "max_usd", claims.budget->max_usd);
    put(budget, "max_tokens", claims.budget->max_tokens);
    out["budget"] = std::move(budget);
  }
  return json::serialize(out);
}

}  // namespace drover::contract
