#pragma once
// The golden examples of contracts/examples, for this folder's tests.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/json.h"

namespace drover::contract {

struct Example {
  std::string name;        // "invocation.minimal.json"
  std::string definition;  // "invocation"
  std::string text;
};

inline std::string read_text(std::filesystem::path const& path) {
  std::ifstream file{path, std::ios::binary};
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>{file}, {}};
}

inline std::filesystem::path examples_folder(std::string_view contract) {
  return std::filesystem::path{DROVER_SOURCE_DIR} / "contracts" / "examples" / contract;
}

// `kind` is "valid" or "invalid"; all definitions where none is named.
inline std::vector<Example> examples(std::string_view contract, std::string_view kind,
                                     std::string_view definition = "") {
  std::vector<Example> out;
  for (auto const& entry : std::filesystem::directory_iterator{examples_folder(contract) / kind}) {
    if (entry.path().extension() != ".json") continue;
    std::string const name = entry.path().filename();
    std::string const its_definition = name.substr(0, name.find('.'));
    if (!definition.empty() && definition != its_definition) continue;
    out.push_back({name, its_definition, read_text(entry.path())});
  }
  std::ranges::sort(out, {}, &Example::name);
  EXPECT_FALSE(out.empty()) << contract << ' ' << kind << ' ' << definition;
  return out;
}

inline json::value json_of(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value.has_value()) << (value ? "" : value.error().message);
  return value ? *std::move(value) : json::value{};
}

}  // namespace drover::contract
