#pragma once
// YAML as a tree of its own, with lines: bounded, without aliases that grow, keys once each. The
// only user of yaml-cpp. Pure.
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace drover::workflow {

struct YamlNode {
  enum class Kind : std::uint8_t { scalar, list, map };
  Kind kind = Kind::scalar;
  int line = 0;
  int column = 0;
  json::value scalar{};  // null, a truth, a number, a text: as YAML's core schema has it
  std::vector<YamlNode> items{};
  std::vector<std::pair<std::string, YamlNode>> members{};

  [[nodiscard]] YamlNode const* find(std::string_view key) const;
  [[nodiscard]] json::value value() const;
};

inline constexpr std::size_t kYamlNodesMax = 20'000;
inline constexpr std::size_t kYamlDepthMax = 40;

// Of one document. invalid_argument: "FILE:LINE:COLUMN: …".
[[nodiscard]] Result<YamlNode> parse_yaml(std::string_view text, std::string_view file);
// Of any number, with kYamlNodesMax in all of them. One without anything in it is a null.
[[nodiscard]] Result<std::vector<YamlNode>> parse_yaml_documents(std::string_view text,
                                                                 std::string_view file);
[[nodiscard]] std::unexpected<Error> yaml_error(std::string_view file, int line, int column,
                                                std::string_view what);

}  // namespace drover::workflow
