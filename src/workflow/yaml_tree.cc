#include "workflow/yaml_tree.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <set>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/text.h"

namespace drover::workflow {

namespace {

// Of a plain scalar; quoted ones are texts.
json::value plain_value(std::string const& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  auto const* const end = text.data() + text.size();
  auto const* const begin = text.data() + (text.starts_with('+') && text.size() > 1 ? 1 : 0);
  std::int64_t whole = 0;
  if (auto const parsed = std::from_chars(begin, end, whole);
      parsed.ec == std::errc{} && parsed.ptr == end)
    return whole;
  // "inf" and "nan" are texts here.
  bool const numeric = text.find_first_of("0123456789") != std::string::npos;
  double fraction = 0;
  if (auto const parsed = std::from_chars(begin, end, fraction);
      numeric && parsed.ec == std::errc{} && parsed.ptr == end && std::isfinite(fraction))
    return fraction;
  return json::value(text);
}

// What nobody reads.
class NoEvents : public YAML::EventHandler {
 public:
  void OnDocumentEnd() override {}
  void OnNull(YAML::Mark const&, YAML::anchor_t) override {}
  void OnAlias(YAML::Mark const&, YAML::anchor_t) override {}
  void OnScalar(YAML::Mark const&, std::string const&, YAML::anchor_t,
                std::string const&) override {}
  void OnSequenceStart(YAML::Mark const&, std::string const&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(YAML::Mark const&, std::string const&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

// Where the documents begin. Of a text such as "," the parser takes nothing, and calls it one
// empty document after another without an end: its own LoadAll() would fill the memory with them.
class DocumentStarts final : public NoEvents {
 public:
  explicit DocumentStarts(std::string_view file) : file_(file) {}

  Status check(std::string const& text) {
    std::istringstream in{text};
    YAML::Parser parser{in};
    while (parser.HandleNextDocument(*this))
      if (!status_) return status_;
    return {};
  }

 private:
  void OnDocumentStart(YAML::Mark const& mark) override {
    if (mark.pos == last_)
      status_ = yaml_error(file_, mark.line + 1, mark.column + 1, "no value begins like this");
    last_ = mark.pos;
  }

  std::string_view file_;
  int last_ = -1;
  Status status_;
};

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  Result<YamlNode> read(YAML::Node const& from, std::size_t depth) {
    YamlNode node;
    auto const mark = from.Mark();
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    // Aliases share what they name; written out they could be anything.
    if (++count_ > kYamlNodesMax)
      return yaml_error(file_, node.line, node.column, "there is too much in it");
    if (depth > kYamlDepthMax)
      return yaml_error(file_, node.line, node.column, "it is nested too deeply");
    if (from.IsSequence()) return list(from, std::move(node), depth);
    if (from.IsMap()) return map(from, std::move(node), depth);
    if (!from.IsScalar()) return node;
    if (!is_utf8(from.Scalar())) return yaml_error(file_, node.line, node.column, "it is no UTF-8");
    node.scalar = from.Tag() == "!" ? json::value(from.Scalar()) : plain_value(from.Scalar());
    return node;
  }

 private:
  Result<YamlNode> list(YAML::Node const& from, YamlNode node, std::size_t depth) {
    node.kind = YamlNode::Kind::list;
    for (auto const& each : from) {
      auto item = read(each, depth + 1);
      if (!item) return item;
      node.items.push_back(*std::move(item));
    }
    return node;
  }

  Result<YamlNode> map(YAML::Node const& from, YamlNode node, std::size_t depth) {
    node.kind = YamlNode::Kind::map;
    std::set<std::string> seen;
    for (auto const& each : from) {
      auto const mark = each.first.Mark();
      if (!each.first.IsScalar() || !is_utf8(each.first.Scalar()))
        return yaml_error(file_, mark.line + 1, mark.column + 1, "a key is a text");
      std::string key = each.first.Scalar();
      if (!seen.insert(key).second)
        return yaml_error(file_, mark.line + 1, mark.column + 1,
                          fmt::format("'{}' is there twice", printable(key)));
      auto member = read(each.second, depth + 1);
      if (!member) return member;
      // An empty value has no place of its own.
      if (each.second.IsNull()) {
        member->line = mark.line + 1;
        member->column = mark.column + 1;
      }
      node.members.emplace_back(std::move(key), *std::move(member));
    }
    return node;
  }

  std::string_view file_;
  std::size_t count_ = 0;
};

}  // namespace

YamlNode const* YamlNode::find(std::string_view key) const {
  for (auto const& [name, node] : members)
    if (name == key) return &node;
  return nullptr;
}

json::value YamlNode::value() const {
  if (kind == Kind::scalar) return scalar;
  if (kind == Kind::list) {
    json::array list;
    for (auto const& item : items)
      list.push_back(item.value());
    return list;
  }
  json::object map;
  for (auto const& [name, node] : members)
    map.emplace(name, node.value());
  return map;
}

std::unexpected<Error> yaml_error(std::string_view file, int line, int column,
                                  std::string_view what) {
  return fail(ErrorCode::invalid_argument, "{}:{}:{}: {}", printable(file, 300), line, column,
              what);
}

Result<std::vector<YamlNode>> parse_yaml_documents(std::string_view text, std::string_view file) {
  try {
    Reader reader{file};
    std::vector<YamlNode> documents;
    std::string const owned{text};
    DROVER_TRY(DocumentStarts{file}.check(owned));
    for (YAML::Node const& document : YAML::LoadAll(owned)) {
      auto node = reader.read(document, 0);
      if (!node) return std::unexpected(node.error());
      documents.push_back(*std::move(node));
    }
    return documents;
  } catch (YAML::Exception const& error) {
    return yaml_error(file, error.mark.line + 1, error.mark.column + 1, printable(error.msg, 300));
  }
}

Result<YamlNode> parse_yaml(std::string_view text, std::string_view file) {
  auto documents = parse_yaml_documents(text, file);
  if (!documents) return std::unexpected(documents.error());
  if (documents->size() != 1)
    return yaml_error(file, 1, 1, fmt::format("it holds {} documents, not one", documents->size()));
  return std::move(documents->front());
}

}  // namespace drover::workflow
