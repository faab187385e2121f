#include "base/json_difference.h"

#include <gtest/gtest.h>

#include <random>

#include <boost/json.hpp>

namespace drover {
namespace {

std::string between(std::string_view before, std::string_view after) {
  json::value const left = parse_json(before).value();
  json::value const right = parse_json(after).value();
  return json::serialize(to_json(json_differences(&left, &right)));
}

TEST(JsonDifference, NamesTheMemberAndBothSides) {
  EXPECT_EQ(between(R"({"a":1,"b":{"c":[1,2],"d":true}})", R"({"a":1,"b":{"c":[2,1],"d":true}})"),
            R"([{"member":"/b/c","before":[1,2],"after":[2,1]}])");
  EXPECT_EQ(between(R"({"a":null,"x/y":1})", R"({"x/y":{"z":1},"n":null})"),
            R"([{"member":"/a","before":null},{"member":"/x~1y","before":1,"after":{"z":1}},)"
            R"({"member":"/n","after":null}])");
  EXPECT_EQ(between(R"({"a":{"b":1},"c":2})", R"({"c":2,"a":{"b":1}})"), "[]")
      << "the order of members is no difference";
}

TEST(JsonDifference, NothingAtTheRootHasNoMembers) {
  json::value const one{{"a", 1}, {"b", {{"c", 2}}}};
  EXPECT_EQ(json::serialize(to_json(json_differences(nullptr, &one))),
            R"([{"member":"/a","after":1},{"member":"/b","after":{"c":2}}])");
  EXPECT_EQ(json_differences(&one, nullptr).size(), 2U);
  EXPECT_TRUE(json_differences(nullptr, nullptr).empty());
}

json::value some_value(std::mt19937& random, int depth) {
  auto const kind = random() % (depth > 0 ? 4 : 2);
  if (kind == 0) return static_cast<std::int64_t>(random() % 3);
  if (kind == 1) return random() % 2 == 0 ? json::value(nullptr) : json::value("text");
  json::object object;
  for (char const* const key : {"a", "b/c", "d~e"})
    if (random() % 2 == 0) object[key] = some_value(random, depth - 1);
  if (kind == 2) return object;
  return json::array{std::move(object)};
}

// Where a JSON pointer leads, made on the way.
json::value& at_pointer(json::value& root, std::string_view pointer, json::object*& parent,
                        std::string& key) {
  json::value* at = &root;
  while (!pointer.empty()) {
    auto const end = pointer.find('/', 1);
    key.clear();
    for (std::size_t i = 1; i < std::min(end, pointer.size()); ++i)
      key += pointer[i] != '~' ? pointer[i] : (pointer[++i] == '1' ? '/' : '~');
    parent = &at->as_object();
    at = &(*parent)[key];
    pointer.remove_prefix(std::min(end, pointer.size()));
  }
  return *at;
}

TEST(JsonDifference, AppliedToTheOneItGivesTheOther) {
  std::mt19937 random{7};
  for (int round = 0; round < 2000; ++round) {
    json::value before = json::object{{"m", some_value(random, 3)}, {"n", some_value(random, 1)}};
    json::value const after =
        json::object{{"m", some_value(random, 3)}, {"o", some_value(random, 1)}};
    auto const differences = json_differences(&before, &after);
    EXPECT_EQ(parse_differences(to_json(differences)).value(), differences);
    for (JsonDifference const& each : differences) {
      json::object* parent = nullptr;
      std::string key;
      json::value& place = at_pointer(before, each.member, parent, key);
      if (each.before) EXPECT_EQ(place, *each.before) << each.member;
      if (each.after)
        place = *each.after;
      else
        parent->erase(key);
    }
    ASSERT_EQ(before, after) << round;
  }
}

}  // namespace
}  // namespace drover
