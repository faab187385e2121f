#include "contract/schemas.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/guarded.h"

namespace drover::contract {

namespace {

SchemaSet const& all_schemas() {
  static SchemaSet const kAll = [] {
    SchemaSet set;
    for (auto const& embedded : kEmbeddedSchemas) {
      auto document = parse_json(embedded.text);
      DROVER_CHECK(document.has_value());
      DROVER_CHECK(set.add(*std::move(document)).has_value());
    }
    return set;
  }();
  return kAll;
}

Schema compiled(Contract contract, std::string_view definition) {
  json::object const reference = {
      {"$ref", fmt::format("urn:drover:contract:{}#/$defs/{}",
                           kEmbeddedSchemas[static_cast<std::size_t>(contract)].name, definition)}};
  auto schema = Schema::compile(reference, &all_schemas());
  DROVER_CHECK(schema.has_value());
  return *std::move(schema);
}

}  // namespace

std::string_view schema_text(Contract contract) {
  return kEmbeddedSchemas[static_cast<std::size_t>(contract)].text;
}

Schema schema_of(Contract contract, std::string_view definition) {
  using Key = std::pair<Contract, std::string>;
  static Guarded<std::map<Key, Schema>> cache;
  auto known = cache.lock();
  Key key{contract, definition};
  auto found = known->find(key);
  if (found == known->end())
    found = known->emplace(std::move(key), compiled(contract, definition)).first;
  return found->second;
}

Status check(Contract contract, std::string_view definition, json::value const& value) {
  return schema_of(contract, definition).check(value);
}

Result<json::value> parse_checked(Contract contract, std::string_view definition,
                                  std::string_view text) {
  auto value = parse_json(text);
  if (!value) return value;
  DROVER_TRY(check(contract, definition, *value));
  return value;
}

}  // namespace drover::contract
