#include "contract/schemas.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "base/text.h"
#include "contract/test_examples.h"

namespace drover::contract {
namespace {

std::vector<Contract> const kAll = {
    Contract::unit,     Contract::runtime, Contract::event, Contract::workspace, Contract::schedule,
    Contract::identity, Contract::task,    Contract::queue, Contract::pool,      Contract::agent};

std::string name_of(Contract contract) {
  return std::string{kEmbeddedSchemas[static_cast<std::size_t>(contract)].name};
}

TEST(Schemas, TheEmbeddedTextIsThePublishedFile) {
  for (Contract const contract : kAll) {
    std::filesystem::path const file = std::filesystem::path{DROVER_SOURCE_DIR} / "contracts" /
                                       (name_of(contract) + ".schema.json");
    EXPECT_EQ(schema_text(contract), read_text(file)) << file;
  }
}

TEST(Schemas, EveryDefinitionCompiles) {
  for (Contract const contract : kAll) {
    auto const document = json_of(schema_text(contract));
    EXPECT_EQ(string_or(document.as_object(), "$id", ""),
              "urn:drover:contract:" + name_of(contract));
    for (auto const& definition : document.at("$defs").as_object())
      (void)schema_of(contract, definition.key());  // aborts when it does not
  }
}

// Every object is closed, but for those that are maps or open by the contract's own words.
void expect_closed(json::value const& schema, std::string const& where) {
  if (schema.is_array()) {
    for (auto const& item : schema.get_array())
      expect_closed(item, where);
    return;
  }
  if (!schema.is_object()) return;
  auto const& object = schema.get_object();
  if (object.contains("properties") && string_or(object, "type", "") == "object" &&
      !object.contains("allOf")) {
    EXPECT_TRUE(object.contains("additionalProperties")) << where;
  }
  for (auto const& member : object)
    expect_closed(member.value(), where + "/" + std::string{member.key()});
}

TEST(Schemas, ObjectsAreClosed) {
  for (Contract const contract : kAll)
    expect_closed(json_of(schema_text(contract)).at("$defs"), name_of(contract));
}

TEST(Schemas, ValidExamplesFit) {
  for (Contract const contract : kAll)
    for (auto const& example : examples(name_of(contract), "valid")) {
      auto const checked = parse_checked(contract, example.definition, example.text);
      EXPECT_TRUE(checked.has_value())
          << name_of(contract) << '/' << example.name << ": " << checked.error().message;
    }
}

TEST(Schemas, InvalidExamplesFailAtTheExpectedPlace) {
  for (Contract const contract : kAll) {
    std::map<std::string, std::pair<std::string, std::string>> expected;
    std::string const table =
        read_text(examples_folder(name_of(contract)) / "invalid/expected.tsv");
    for (auto const line : split(trim(table), '\n')) {
      auto const columns = split(line, '\t');
      ASSERT_EQ(columns.size(), 3U) << line;
      expected[std::string{columns[0]}] = {std::string{columns[1]}, std::string{columns[2]}};
    }
    std::size_t seen = 0;
    for (auto const& example : examples(name_of(contract), "invalid")) {
      auto const row = expected.find(example.name);
      ASSERT_NE(row, expected.end()) << example.name << " is not in expected.tsv";
      ++seen;
      auto const violations =
          schema_of(contract, example.definition).validate(json_of(example.text));
      ASSERT_FALSE(violations.empty()) << example.name;
      EXPECT_EQ(violations[0].pointer, row->second.first) << example.name;
      EXPECT_EQ(violations[0].keyword, row->second.second) << example.name;
      EXPECT_NE(violations[0].message.find("expected"), std::string::npos) << example.name;

      auto const error = parse_checked(contract, example.definition, example.text).error();
      EXPECT_EQ(error.code, ErrorCode::invalid_argument);
      EXPECT_EQ(error_pointer(error), row->second.first) << error.message;
    }
    EXPECT_EQ(seen, expected.size())
        << name_of(contract) << ": expected.tsv names files that are not there";
  }
}

TEST(Schemas, EveryNamedTypeHasAnExample) {
  // The parts that others are built from are covered through them.
  std::map<Contract, std::set<std::string>> const wanted = {
      {Contract::unit, {"invocation", "message"}},
      {Contract::runtime, {"workloadSpec", "workloadStatus", "runtimeEvent"}},
      {Contract::event, {"event", "unitEvent", "turn"}},
      {Contract::workspace, {"mount", "frontMatter", "rules"}},
      {Contract::schedule, {"job", "incomingEvent", "hook"}},
      {Contract::identity, {"header", "claims"}}};
  for (auto const& [contract, definitions] : wanted)
    for (auto const& definition : definitions)
      for (auto const* kind : {"valid", "invalid"})
        EXPECT_FALSE(examples(name_of(contract), kind, definition).empty());
}

// "turn-complete" is TurnComplete.
std::string component_name(std::string_view definition) {
  std::string out;
  for (auto const part : split(definition, '-')) {
    out += static_cast<char>(part.front() - 'a' + 'A');
    out += part.substr(1);
  }
  return out;
}

json::value with_component_references(json::value const& schema,
                                      std::map<std::string, std::string> const& names) {
  if (schema.is_array()) {
    json::array out;
    for (auto const& item : schema.get_array())
      out.push_back(with_component_references(item, names));
    return out;
  }
  if (!schema.is_object()) return schema;
  json::object out;
  for (auto const& member : schema.get_object()) {
    if (member.key() == "$ref") {
      std::string const target{member.value().as_string()};
      std::string const name = target.substr(target.rfind('/') + 1);
      // One of another contract goes by its usual name.
      auto const known = names.find(name);
      out["$ref"] =
          "#/components/schemas/" + (known == names.end() ? component_name(name) : known->second);
    } else {
      out[member.key()] = with_component_references(member.value(), names);
    }
  }
  return out;
}

// The HTTP API's document repeats the contracts; a copy that drifts would lie to its readers.
TEST(Schemas, TheOpenApiDocumentRepeatsThem) {
  auto const document =
      json_of(read_text(std::filesystem::path{DROVER_SOURCE_DIR} / "src" / "api" / "openapi.json"));
  auto const& components = document.at("components").at("schemas").as_object();
  std::size_t compared = 0;
  for (Contract const contract : {Contract::unit, Contract::runtime, Contract::event,
                                  Contract::schedule, Contract::task, Contract::queue}) {
    auto const schema = json_of(schema_text(contract));
    std::set<std::string> types;
    if (contract == Contract::event)
      for (auto const& type :
           schema.at("$defs").at("event").at("properties").at("type").at("enum").as_array())
        types.emplace(type.as_string());
    std::map<std::string, std::string> names;
    for (auto const& definition : schema.at("$defs").as_object()) {
      std::string const name{definition.key()};
      names[name] = (types.contains(name) ? "Event" : "") + component_name(name);
    }
    for (auto const& [definition, name] : names) {
      auto const* component = components.if_contains(name);
      if (component == nullptr) continue;
      ++compared;
      EXPECT_EQ(*component, with_component_references(schema.at("$defs").at(definition), names))
          << name;
    }
  }
  EXPECT_GE(compared, 40U);
}

}  // namespace
}  // namespace drover::contract
