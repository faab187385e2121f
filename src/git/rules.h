#pragma once
// The grammars of gitignore(5) and gitattributes(5), as pure functions of their text: nothing here
// touches a file. Immutable after parsing, thread-safe.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "git/wildmatch.h"

namespace drover::git {

// One path pattern of either file: knows whether it is anchored to the file's folder.
class PathPattern {
 public:
  explicit PathPattern(std::string_view pattern);
  // `relative` is the path below the folder that holds the rules file.
  [[nodiscard]] bool matches(std::string_view relative) const;
  [[nodiscard]] bool only_folders() const { return only_folders_; }

 private:
  PathPattern(std::string_view body, bool only_folders, bool anchored);
  bool only_folders_;
  bool anchored_;
  Glob glob_;
};

enum class PathKind { file, folder };

// A .gitignore, .git/info/exclude or core.excludesFile.
class IgnoreRules {
 public:
  [[nodiscard]] static IgnoreRules parse(std::string_view text);
  // Ignored, explicitly not ignored, or nothing said.
  [[nodiscard]] std::optional<bool> decide(std::string_view relative, PathKind kind) const;
  [[nodiscard]] bool empty() const { return rules_.empty(); }

 private:
  struct Rule {
    PathPattern pattern;
    bool ignore;
  };
  std::vector<Rule> rules_;
};

struct AttributeValue {
  enum class State { unspecified, set, unset, value };
  State state = State::unspecified;
  std::string value;

  [[nodiscard]] bool is_set() const { return state == State::set; }
  [[nodiscard]] bool is_unset() const { return state == State::unset; }
  [[nodiscard]] bool is(std::string_view text) const {
    return state == State::value && value == text;
  }
};

// What the conversion of a file's content depends on.
struct PathAttributes {
  AttributeValue text, crlf, eol, ident, filter, working_tree_encoding;
};

// A .gitattributes, .git/info/attributes or core.attributesFile.
class AttributeRules {
 public:
  enum class Macros { refused, allowed };  // [attr] lines count only in top-level files
  [[nodiscard]] static AttributeRules parse(std::string_view text, Macros macros);
  [[nodiscard]] bool empty() const { return lines_.empty(); }

 private:
  friend class AttributeLookup;
  struct Assignment {
    std::string name;
    AttributeValue value;
  };
  struct Line {
    PathPattern pattern;
    std::vector<Assignment> assignments;
  };
  struct Macro {
    std::string name;
    std::vector<Assignment> assignments;
  };
  static std::vector<Assignment> parse_assignments(std::string_view text);
  std::vector<Line> lines_;
  std::vector<Macro> macros_;
};

// Collects the attributes of one path: give it the rule files from the strongest
// (info/attributes, then the path's own folder) to the weakest (core.attributesFile).
class AttributeLookup {
 public:
  // Macros that hold everywhere; `binary` is built in.
  void add_macros(AttributeRules const& rules);
  void apply(AttributeRules const& rules, std::string_view relative);
  [[nodiscard]] PathAttributes take() &&;

 private:
  using Assignment = AttributeRules::Assignment;
  void assign(Assignment const& assignment, int depth);
  std::vector<Assignment> decided_;
  std::vector<AttributeRules::Macro> macros_;
};

}  // namespace drover::git
