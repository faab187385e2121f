// The served document against the routes: neither may have what the other lacks.
#include "api/openapi.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include <boost/json.hpp>

#include "api/api.h"
#include "base/json.h"

namespace drover::api {
namespace {

// "GET /api/v1/runs/{run} getRun"
std::set<std::string> documented() {
  std::set<std::string> found;
  auto const document = parse_json(openapi_document());
  EXPECT_TRUE(document) << document.error().text();
  for (auto const& [path, item] : document->at("paths").as_object())
    for (auto const& [method, operation] : item.as_object()) {
      if (method == "parameters" || method == "summary" || method == "description") continue;
      std::string upper{method};
      for (char& c : upper)
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      found.insert(upper + " " + std::string{path} + " " +
                   std::string{operation.at("operationId").as_string()});
    }
  return found;
}

TEST(OpenApi, DocumentsExactlyTheRoutes) {
  std::set<std::string> served;
  for (RouteName const& route : Api::route_names())
    if (!route.operation.empty())
      served.insert(fmt::format("{} {} {}", route.method, route.pattern, route.operation));
  EXPECT_EQ(served, documented());
}

// Whoever makes a client from the document follows them.
void expect_references(json::value const& document, json::value const& at) {
  if (auto const* const list = at.if_array())
    for (auto const& item : *list)
      expect_references(document, item);
  auto const* const object = at.if_object();
  if (object == nullptr) return;
  for (auto const& [name, value] : *object) {
    expect_references(document, value);
    if (name != "$ref" || !value.is_string()) continue;
    std::string const reference{value.get_string()};
    boost::system::error_code error;
    EXPECT_TRUE(reference.starts_with("#/") && document.find_pointer(reference.substr(1), error))
        << reference;
  }
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  auto const document = parse_json(openapi_document());
  ASSERT_TRUE(document);
  expect_references(*document, *document);
}

TEST(OpenApi, NamesTheParametersOfItsPaths) {
  auto const document = parse_json(openapi_document());
  ASSERT_TRUE(document);
  EXPECT_TRUE(document->at("openapi").as_string().starts_with("3.1"));
  std::string const text{openapi_document()};
  for (RouteName const& route : Api::route_names()) {
    if (route.operation.empty()) continue;
    std::string const pattern{route.pattern};
    for (auto at = pattern.find('{'); at != std::string::npos; at = pattern.find('{', at + 1)) {
      std::string const name = pattern.substr(at + 1, pattern.find('}', at) - at - 1);
      EXPECT_NE(text.find("\"name\": \"" + name + "\""), std::string::npos) << name;
    }
  }
}

}  // namespace
}  // namespace drover::api
