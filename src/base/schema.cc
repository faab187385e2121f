// A document is compiled into nodes, one for each subschema that is reached; references become
// node numbers, so recursion costs nothing. A node whose in-place parts (allOf, $ref, …) lead back
// to itself would never end and is refused when compiled.
#include "base/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include <boost/json.hpp>

#include "base/pattern.h"
#include "base/text.h"
#include "base/time.h"

namespace drover {

namespace {

using NodeId = std::uint32_t;

constexpr std::string_view kDialect = "https://json-schema.org/draft/2020-12/schema";
constexpr std::size_t kShownBytesMax = 60;
constexpr std::size_t kShownNamesMax = 24;

enum class Format : std::uint8_t { none, date_time, uri };

// Bits of `type`.
enum TypeBit : unsigned {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kNumber = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
};

struct NamedType {
  std::string_view name;
  unsigned bit;
  std::string_view with_article;
};
constexpr std::array<NamedType, 7> kTypes = {{{"null", kNull, "null"},
                                              {"boolean", kBoolean, "true or false"},
                                              {"integer", kInteger, "an integer"},
                                              {"number", kNumber, "a number"},
                                              {"string", kString, "a string"},
                                              {"array", kArray, "an array"},
                                              {"object", kObject, "an object"}}};

struct Node {
  std::optional<bool> always;  // a boolean schema
  std::optional<NodeId> ref;
  unsigned types = 0;                // 0: any
  std::vector<json::value> allowed;  // enum
  std::optional<json::value> constant;

  std::map<std::string, NodeId, std::less<>> properties;
  std::vector<std::pair<Pattern, NodeId>> pattern_properties;
  std::optional<NodeId> additional_properties;
  std::optional<NodeId> property_names;
  std::vector<std::string> required;
  std::vector<std::pair<std::string, std::vector<std::string>>> dependent_required;
  std::vector<std::pair<std::string, NodeId>> dependent_schemas;
  std::optional<std::uint64_t> properties_min, properties_max;

  std::vector<NodeId> prefix_items;
  std::optional<NodeId> items;
  std::optional<NodeId> contains;
  std::optional<std::uint64_t> contains_min, contains_max;
  std::optional<std::uint64_t> items_min, items_max;
  bool unique_items = false;

  std::optional<std::uint64_t> length_min, length_max;
  std::optional<Pattern> pattern;
  Format format = Format::none;

  std::optional<json::value> minimum, maximum, minimum_exclusive, maximum_exclusive, multiple_of;

  std::vector<NodeId> all_of, any_of, one_of;
  std::optional<NodeId> negated, condition, consequence, alternative;
};

// ---- values ----------------------------------------------------------------------------------

bool is_integral(json::value const& value) {
  if (value.is_int64() || value.is_uint64()) return true;
  return value.is_double() && std::isfinite(value.get_double()) &&
         value.get_double() == std::trunc(value.get_double());
}

// -1, 0, 1. Exact where both are integers.
int compare_numbers(json::value const& left, json::value const& right) {
  auto const order = [](auto a, auto b) { return a < b ? -1 : a > b ? 1 : 0; };
  if (left.is_int64() && right.is_int64()) return order(left.get_int64(), right.get_int64());
  if (left.is_uint64() && right.is_uint64()) return order(left.get_uint64(), right.get_uint64());
  // Boost.JSON parses as unsigned only what does not fit a signed 64-bit integer; values made in
  // the program may be small.
  if (left.is_int64() && right.is_uint64())
    return left.get_int64() < 0
               ? -1
               : order(static_cast<std::uint64_t>(left.get_int64()), right.get_uint64());
  if (left.is_uint64() && right.is_int64()) return -compare_numbers(right, left);
  return order(left.to_number<double>(), right.to_number<double>());
}

// JSON Schema's equality: 1 and 1.0 are the same, the order of members does not count.
bool same(json::value const& left, json::value const& right) {
  if (left.is_number() && right.is_number()) return compare_numbers(left, right) == 0;
  if (left.kind() != right.kind()) return false;
  if (left.is_array()) {
    auto const& a = left.get_array();
    auto const& b = right.get_array();
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same);
  }
  if (left.is_object()) {
    auto const& a = left.get_object();
    auto const& b = right.get_object();
    return a.size() == b.size() && std::ranges::all_of(a, [&](auto const& member) {
             auto const* other = b.if_contains(member.key());
             return other != nullptr && same(member.value(), *other);
           });
  }
  return left == right;
}

// Equal texts for values that are the same; makes uniqueItems cheap on long arrays.
void append_canonical(std::string& out, json::value const& value) {
  if (value.is_object()) {
    std::map<std::string_view, json::value const*> sorted;
    for (auto const& member : value.get_object())
      sorted.emplace(std::string_view{member.key().data(), member.key().size()}, &member.value());
    out += '{';
    for (auto const& [key, member] : sorted) {
      out += fmt::format("{}:{}", key.size(), key);
      append_canonical(out, *member);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (auto const& item : value.get_array()) {
      append_canonical(out, item);
      out += ',';
    }
    out += ']';
  } else if (value.is_double() && is_integral(value) && std::abs(value.get_double()) < 0x1p63) {
    out += fmt::format("{}", static_cast<std::int64_t>(value.get_double()));
  } else {
    out += json::serialize(value);
  }
}

std::string_view text_of(json::string const& text) {
  return {text.data(), text.size()};
}

std::size_t code_point_count(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

bool is_multiple(json::value const& value, json::value const& step) {
  if (value.is_int64() && step.is_int64()) return value.get_int64() % step.get_int64() == 0;
  double const number = value.to_number<double>();
  double const divisor = step.to_number<double>();
  double const quotient = number / divisor;
  if (!std::isfinite(quotient)) return std::fmod(number, divisor) == 0;
  // 0.0075 is a multiple of 0.0001 for people, though neither is exact in binary.
  return std::abs(quotient - std::round(quotient)) <= 1e-9 * std::max(1.0, std::abs(quotient));
}

// A scheme, a colon, and only characters that a URI may hold (RFC 3986).
bool is_uri(std::string_view text) {
  auto const colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  auto const letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (!letter(text.front())) return false;
  for (char const c : text.substr(0, colon))
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') return false;
  constexpr std::string_view kForbidden = "\"<>\\^`{|} ";
  return std::ranges::all_of(text, [&](char c) {
    return c > 0x20 && c < 0x7F && kForbidden.find(c) == std::string_view::npos;
  });
}

// A value for an error message: short, one line, harmless.
std::string shown(json::value const& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return fmt::format("an array of {}", value.get_array().size());
  if (value.is_string())
    return fmt::format("\"{}\"", printable(text_of(value.get_string()), kShownBytesMax));
  return json::serialize(value);
}

std::string joined(std::vector<std::string> const& parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i == kShownNamesMax) return out + ", …";
    if (i > 0) out += ", ";
    out += parts[i];
  }
  return out;
}

std::string type_names(unsigned types) {
  std::string out;
  for (auto const& type : kTypes) {
    if ((types & type.bit) == 0) continue;
    if (!out.empty()) out += " or ";
    out += type.with_article;
  }
  return out;
}

std::string quoted_list(std::vector<json::value> const& values) {
  std::vector<std::string> parts;
  parts.reserve(values.size());
  for (auto const& value : values)
    parts.push_back(shown(value));
  return joined(parts);
}

unsigned type_bits(json::value const& value) {
  switch (value.kind()) {
    case json::kind::null:
      return kNull;
    case json::kind::bool_:
      return kBoolean;
    case json::kind::int64:
    case json::kind::uint64:
      return kInteger | kNumber;
    case json::kind::double_:
      return is_integral(value) ? kInteger | kNumber : kNumber;
    case json::kind::string:
      return kString;
    case json::kind::array:
      return kArray;
    case json::kind::object:
      return kObject;
  }
  return 0;
}

}  // namespace

struct Schema::Program {
  std::vector<Node> nodes;  // the root is the first
};

namespace {

// ---- compiling -------------------------------------------------------------------------------

// What a keyword holds, so that one table drives the compiler.
enum class Keyword : std::uint8_t {
  annotation,
  unsupported,
  ref,
  type,
  enumeration,
  constant,
  properties,
  pattern_properties,
  additional_properties,
  property_names,
  required,
  dependent_required,
  dependent_schemas,
  properties_min,
  properties_max,
  prefix_items,
  items,
  contains,
  contains_min,
  contains_max,
  items_min,
  items_max,
  unique_items,
  length_min,
  length_max,
  pattern,
  format,
  minimum,
  maximum,
  minimum_exclusive,
  maximum_exclusive,
  multiple_of,
  all_of,
  any_of,
  one_of,
  negated,
  condition,
  consequence,
  alternative,
};

std::map<std::string_view, Keyword> const& keywords() {
  static std::map<std::string_view, Keyword> const kKeywords = {
      {"$schema", Keyword::annotation},
      {"$id", Keyword::annotation},
      {"$defs", Keyword::annotation},
      {"$comment", Keyword::annotation},
      {"title", Keyword::annotation},
      {"description", Keyword::annotation},
      {"default", Keyword::annotation},
      {"examples", Keyword::annotation},
      {"deprecated", Keyword::annotation},
      {"readOnly", Keyword::annotation},
      {"writeOnly", Keyword::annotation},
      {"contentEncoding", Keyword::annotation},
      {"contentMediaType", Keyword::annotation},
      {"contentSchema", Keyword::annotation},
      {"$anchor", Keyword::unsupported},
      {"$dynamicAnchor", Keyword::unsupported},
      {"$dynamicRef", Keyword::unsupported},
      {"$recursiveRef", Keyword::unsupported},
      {"$recursiveAnchor", Keyword::unsupported},
      {"$vocabulary", Keyword::unsupported},
      {"unevaluatedItems", Keyword::unsupported},
      {"unevaluatedProperties", Keyword::unsupported},
      {"additionalItems", Keyword::unsupported},
      {"dependencies", Keyword::unsupported},
      {"definitions", Keyword::unsupported},
      {"$ref", Keyword::ref},
      {"type", Keyword::type},
      {"enum", Keyword::enumeration},
      {"const", Keyword::constant},
      {"properties", Keyword::properties},
      {"patternProperties", Keyword::pattern_properties},
      {"additionalProperties", Keyword::additional_properties},
      {"propertyNames", Keyword::property_names},
      {"required", Keyword::required},
      {"dependentRequired", Keyword::dependent_required},
      {"dependentSchemas", Keyword::dependent_schemas},
      {"minProperties", Keyword::properties_min},
      {"maxProperties", Keyword::properties_max},
      {"prefixItems", Keyword::prefix_items},
      {"items", Keyword::items},
      {"contains", Keyword::contains},
      {"minContains", Keyword::contains_min},
      {"maxContains", Keyword::contains_max},
      {"minItems", Keyword::items_min},
      {"maxItems", Keyword::items_max},
      {"uniqueItems", Keyword::unique_items},
      {"minLength", Keyword::length_min},
      {"maxLength", Keyword::length_max},
      {"pattern", Keyword::pattern},
      {"format", Keyword::format},
      {"minimum", Keyword::minimum},
      {"maximum", Keyword::maximum},
      {"exclusiveMinimum", Keyword::minimum_exclusive},
      {"exclusiveMaximum", Keyword::maximum_exclusive},
      {"multipleOf", Keyword::multiple_of},
      {"allOf", Keyword::all_of},
      {"anyOf", Keyword::any_of},
      {"oneOf", Keyword::one_of},
      {"not", Keyword::negated},
      {"if", Keyword::condition},
      {"then", Keyword::consequence},
      {"else", Keyword::alternative}};
  return kKeywords;
}

// A place in a schema document.
struct Place {
  json::value const* document = nullptr;
  std::string pointer;

  Place below(std::string_view key) const {
    return {document, pointer + "/" + escape_pointer(key)};
  }
};

std::unexpected<Error> wrong(Place const& place, std::string_view what) {
  return fail(ErrorCode::invalid_argument, "the schema does not hold at {}: {}",
              place.pointer.empty() ? "its root" : place.pointer, what);
}

class Compiler {
 public:
  Compiler(SchemaSet const* others, UnknownKeywords unknown) : others_(others), unknown_(unknown) {}

  Result<Schema::Program> run(json::value const& document) {
    auto const root = node_of({&document, ""}, document);
    if (!root) return std::unexpected(root.error());
    // References are compiled when all nodes of their document are known to be reachable: a queue
    // instead of recursion, so that a reference to an ancestor ends.
    while (!pending_.empty()) {
      auto const [from, place, target] = pending_.back();
      pending_.pop_back();
      auto const resolved = resolve(place, target);
      if (!resolved) return std::unexpected(resolved.error());
      program_.nodes[from].ref = *resolved;
    }
    if (auto const loop = find_loop(); !loop) return std::unexpected(loop.error());
    return std::move(program_);
  }

 private:
  struct PendingRef {
    NodeId from;
    Place place;
    std::string target;
  };

  Result<NodeId> node_of(Place const& place, json::value const& schema) {
    auto const key = std::pair{place.document, place.pointer};
    if (auto const known = known_.find(key); known != known_.end()) return known->second;
    if (++depth_ > Schema::kDepthMax) return wrong(place, "it nests too deeply");
    auto const id = static_cast<NodeId>(program_.nodes.size());
    program_.nodes.emplace_back();
    known_.emplace(key, id);
    Node node;
    auto const filled = fill(node, id, place, schema);
    --depth_;
    if (!filled) return std::unexpected(filled.error());
    program_.nodes[id] = std::move(node);
    return id;
  }

  Status fill(Node& node, NodeId id, Place const& place, json::value const& schema) {
    if (schema.is_bool()) {
      node.always = schema.get_bool();
      return {};
    }
    if (!schema.is_object()) return wrong(place, "a schema is an object, true or false");
    for (auto const& member : schema.get_object()) {
      std::string_view const name{member.key().data(), member.key().size()};
      DROVER_TRY(fill_keyword(node, id, place.below(name), name, member.value()));
    }
    return {};
  }

  Status fill_keyword(Node& node, NodeId id, Place const& place, std::string_view name,
                      json::value const& value) {
    auto const known = keywords().find(name);
    if (known == keywords().end()) {
      if (unknown_ == UnknownKeywords::ignore) return {};
      return wrong(place, "no keyword has this name");
    }
    switch (known->second) {
      case Keyword::annotation:
        return annotation(place, name, value);
      case Keyword::unsupported:
        return wrong(place, "this keyword is not supported");
      case Keyword::ref: {
        if (!value.is_string()) return wrong(place, "a reference is a string");
        pending_.push_back({id, place, std::string{value.get_string()}});
        return {};
      }
      case Keyword::type:
        return types(node.types, place, value);
      case Keyword::enumeration: {
        if (!value.is_array() || value.get_array().empty())
          return wrong(place, "expected an array of at least one value");
        node.allowed.assign(value.get_array().begin(), value.get_array().end());
        return {};
      }
      case Keyword::constant:
        node.constant = value;
        return {};
      case Keyword::properties:
        return properties(node, place, value);
      case Keyword::pattern_properties:
        return pattern_properties(node, place, value);
      case Keyword::additional_properties:
        return child(node.additional_properties, place, value);
      case Keyword::property_names:
        return child(node.property_names, place, value);
      case Keyword::required:
        return names(node.required, place, value);
      case Keyword::dependent_required:
        return dependent_required(node, place, value);
      case Keyword::dependent_schemas:
        return dependent_schemas(node, place, value);
      case Keyword::properties_min:
        return count(node.properties_min, place, value);
      case Keyword::properties_max:
        return count(node.properties_max, place, value);
      case Keyword::prefix_items:
        return children(node.prefix_items, place, value);
      case Keyword::items:
        return child(node.items, place, value);
      case Keyword::contains:
        return child(node.contains, place, value);
      case Keyword::contains_min:
        return count(node.contains_min, place, value);
      case Keyword::contains_max:
        return count(node.contains_max, place, value);
      case Keyword::items_min:
        return count(node.items_min, place, value);
      case Keyword::items_max:
        return count(node.items_max, place, value);
      case Keyword::unique_items: {
        if (!value.is_bool()) return wrong(place, "expected true or false");
        node.unique_items = value.get_bool();
        return {};
      }
      case Keyword::length_min:
        return count(node.length_min, place, value);
      case Keyword::length_max:
        return count(node.length_max, place, value);
      case Keyword::pattern:
        return pattern(node, place, value);
      case Keyword::format:
        return format(node, place, value);
      case Keyword::minimum:
        return number(node.minimum, place, value);
      case Keyword::maximum:
        return number(node.maximum, place, value);
      case Keyword::minimum_exclusive:
        return number(node.minimum_exclusive, place, value);
      case Keyword::maximum_exclusive:
        return number(node.maximum_exclusive, place, value);
      case Keyword::multiple_of: {
        DROVER_TRY(number(node.multiple_of, place, value));
        if (value.to_number<double>() <= 0) return wrong(place, "expected a number above 0");
        return {};
      }
      case Keyword::all_of:
        return children(node.all_of, place, value);
      case Keyword::any_of:
        return children(node.any_of, place, value);
      case Keyword::one_of:
        return children(node.one_of, place, value);
      case Keyword::negated:
        return child(node.negated, place, value);
      case Keyword::condition:
        return child(node.condition, place, value);
      case Keyword::consequence:
        return child(node.consequence, place, value);
      case Keyword::alternative:
        return child(node.alternative, place, value);
    }
    return {};
  }

  Status annotation(Place const& place, std::string_view name, json::value const& value) {
    if (name == "$schema" && (!value.is_string() || text_of(value.get_string()) != kDialect))
      return wrong(place, "only JSON Schema 2020-12 is understood");
    if (name == "$id" && place.pointer != "/$id")
      return wrong(place, "an $id below the root is not supported");
    // Definitions are compiled also where nothing refers to them: a mistake shows at once.
    if (name != "$defs") return {};
    if (!value.is_object()) return wrong(place, "expected an object of schemas");
    for (auto const& member : value.get_object()) {
      auto const id = node_of(place.below(member.key()), member.value());
      if (!id) return std::unexpected(id.error());
    }
    return {};
  }

  Status child(std::optional<NodeId>& out, Place const& place, json::value const& value) {
    auto const id = node_of(place, value);
    if (!id) return std::unexpected(id.error());
    out = *id;
    return {};
  }

  Status children(std::vector<NodeId>& out, Place const& place, json::value const& value) {
    if (!value.is_array() || value.get_array().empty())
      return wrong(place, "expected an array of at least one schema");
    for (std::size_t i = 0; i < value.get_array().size(); ++i) {
      auto const id = node_of(place.below(std::to_string(i)), value.get_array()[i]);
      if (!id) return std::unexpected(id.error());
      out.push_back(*id);
    }
    return {};
  }

  Status types(unsigned& out, Place const& place, json::value const& value) {
    auto const add = [&](json::value const& name) {
      auto const type = std::ranges::find_if(kTypes, [&](NamedType const& candidate) {
        return name.is_string() && candidate.name == text_of(name.get_string());
      });
      if (type == kTypes.end()) return false;
      out |= type->bit;
      return true;
    };
    bool good = false;
    if (value.is_array()) {
      good = !value.get_array().empty() && std::ranges::all_of(value.get_array(), add);
    } else {
      good = add(value);
    }
    if (!good) return wrong(place, "expected the name of a JSON type, or an array of them");
    return {};
  }

  Status names(std::vector<std::string>& out, Place const& place, json::value const& value) {
    if (!value.is_array()) return wrong(place, "expected an array of names");
    for (auto const& name : value.get_array()) {
      if (!name.is_string()) return wrong(place, "expected an array of names");
      out.emplace_back(name.get_string());
    }
    return {};
  }

  Status properties(Node& node, Place const& place, json::value const& value) {
    if (!value.is_object()) return wrong(place, "expected an object of schemas");
    for (auto const& member : value.get_object()) {
      auto const id = node_of(place.below(member.key()), member.value());
      if (!id) return std::unexpected(id.error());
      node.properties.emplace(member.key(), *id);
    }
    return {};
  }

  Status pattern_properties(Node& node, Place const& place, json::value const& value) {
    if (!value.is_object()) return wrong(place, "expected an object of schemas");
    for (auto const& member : value.get_object()) {
      auto compiled = Pattern::compile(member.key());
      if (!compiled) return wrong(place, compiled.error().message);
      auto const id = node_of(place.below(member.key()), member.value());
      if (!id) return std::unexpected(id.error());
      node.pattern_properties.emplace_back(*std::move(compiled), *id);
    }
    return {};
  }

  Status dependent_required(Node& node, Place const& place, json::value const& value) {
    if (!value.is_object()) return wrong(place, "expected an object of arrays of names");
    for (auto const& member : value.get_object()) {
      std::vector<std::string> wanted;
      DROVER_TRY(names(wanted, place.below(member.key()), member.value()));
      node.dependent_required.emplace_back(member.key(), std::move(wanted));
    }
    return {};
  }

  Status dependent_schemas(Node& node, Place const& place, json::value const& value) {
    if (!value.is_object()) return wrong(place, "expected an object of schemas");
    for (auto const& member : value.get_object()) {
      auto const id = node_of(place.below(member.key()), member.value());
      if (!id) return std::unexpected(id.error());
      node.dependent_schemas.emplace_back(member.key(), *id);
    }
    return {};
  }

  Status count(std::optional<std::uint64_t>& out, Place const& place, json::value const& value) {
    constexpr double kCountMax = 0x1p53;
    if (!is_integral(value) || value.to_number<double>() < 0 ||
        value.to_number<double>() > kCountMax)
      return wrong(place, "expected an integer of at least 0");
    out = value.is_double() ? static_cast<std::uint64_t>(value.get_double())
                            : value.to_number<std::uint64_t>();
    return {};
  }

  Status number(std::optional<json::value>& out, Place const& place, json::value const& value) {
    if (!value.is_number()) return wrong(place, "expected a number");
    out = value;
    return {};
  }

  Status pattern(Node& node, Place const& place, json::value const& value) {
    if (!value.is_string()) return wrong(place, "expected a regular expression");
    auto compiled = Pattern::compile(text_of(value.get_string()));
    if (!compiled) return wrong(place, compiled.error().message);
    node.pattern = *std::move(compiled);
    return {};
  }

  Status format(Node& node, Place const& place, json::value const& value) {
    if (!value.is_string()) return wrong(place, "expected the name of a format");
    auto const name = text_of(value.get_string());
    if (name == "date-time") {
      node.format = Format::date_time;
    } else if (name == "uri") {
      node.format = Format::uri;
    } else if (unknown_ == UnknownKeywords::refuse) {
      return wrong(place, "of the formats, only date-time and uri are checked");
    }
    return {};
  }

  Result<NodeId> resolve(Place const& place, std::string const& target) {
    auto const hash = target.find('#');
    std::string const id = target.substr(0, hash);
    std::string const fragment = hash == std::string::npos ? "" : target.substr(hash + 1);
    json::value const* document = place.document;
    if (!id.empty() && id != string_or(document->as_object(), "$id", "")) {
      document = others_ == nullptr ? nullptr : others_->find(id);
      if (document == nullptr)
        return wrong(place, fmt::format("no schema with the $id '{}' is known", printable(id)));
    }
    boost::system::error_code error;
    json::value const* schema = document->find_pointer(fragment, error);
    if (schema == nullptr)
      return wrong(place, fmt::format("'{}' refers to nothing", printable(target)));
    return node_of({document, fragment}, *schema);
  }

  // The nodes that are tried on the same value as `node`.
  static std::vector<NodeId> in_place(Node const& node) {
    std::vector<NodeId> out;
    for (auto const& part : {node.all_of, node.any_of, node.one_of})
      out.insert(out.end(), part.begin(), part.end());
    for (auto const& part :
         {node.ref, node.negated, node.condition, node.consequence, node.alternative})
      if (part) out.push_back(*part);
    for (auto const& [name, part] : node.dependent_schemas)
      out.push_back(part);
    return out;
  }

  Status find_loop() const {
    enum class Color : std::uint8_t { white, grey, black };
    std::vector<Color> colors(program_.nodes.size(), Color::white);
    struct Frame {
      NodeId node;
      std::vector<NodeId> next;
    };
    for (NodeId root = 0; root < program_.nodes.size(); ++root) {
      if (colors[root] != Color::white) continue;
      colors[root] = Color::grey;
      std::vector<Frame> stack;
      stack.push_back({root, in_place(program_.nodes[root])});
      while (!stack.empty()) {
        if (stack.back().next.empty()) {
          colors[stack.back().node] = Color::black;
          stack.pop_back();
          continue;
        }
        NodeId const next = stack.back().next.back();
        stack.back().next.pop_back();
        if (colors[next] == Color::grey)
          return fail(ErrorCode::invalid_argument,
                      "the schema refers to itself without going into the value, so that checking "
                      "would never end");
        if (colors[next] == Color::black) continue;
        colors[next] = Color::grey;
        stack.push_back({next, in_place(program_.nodes[next])});
      }
    }
    return {};
  }

  SchemaSet const* others_;
  UnknownKeywords unknown_;
  Schema::Program program_;
  std::map<std::pair<json::value const*, std::string>, NodeId> known_;
  std::vector<PendingRef> pending_;
  std::size_t depth_ = 0;
};

// ---- validating ------------------------------------------------------------------------------

class Validator {
 public:
  explicit Validator(Schema::Program const& program) : program_(program) {}

  std::vector<Violation> run(json::value const& value) {
    check(0, value, violations_);
    if (exhausted_) violations_ = {*std::move(exhausted_)};
    return std::move(violations_);
  }

 private:
  using Out = std::vector<Violation>;

  // Restores the pointer when it leaves the value.
  class Step {
   public:
    Step(std::string& pointer, std::string_view key) : pointer_(pointer), size_(pointer.size()) {
      pointer_ += '/';
      pointer_ += escape_pointer(key);
    }
    Step(Step const&) = delete;
    Step& operator=(Step const&) = delete;
    ~Step() { pointer_.resize(size_); }

   private:
    std::string& pointer_;
    std::size_t size_;
  };

  void report(Out& out, std::string_view keyword, std::string message) {
    if (out.size() < Schema::kViolationsMax)
      out.push_back({pointer_, std::string{keyword}, std::move(message)});
  }

  bool fits(NodeId id, json::value const& value) {
    Out ignored;
    check(id, value, ignored);
    return ignored.empty();
  }

  void check(NodeId id, json::value const& value, Out& out) {
    if (exhausted_) return;
    if (++steps_ > Schema::kStepsMax) {
      exhausted_ = {pointer_, "$ref", "expected a value that can be checked in fewer steps"};
      return;
    }
    if (depth_ >= Schema::kDepthMax) {
      exhausted_ = {pointer_, "$ref", "expected a value that nests less deeply"};
      return;
    }
    ++depth_;
    check_node(program_.nodes[id], value, out);
    --depth_;
  }

  void check_node(Node const& node, json::value const& value, Out& out) {
    if (node.always.has_value()) {
      if (!*node.always) report(out, "false", "expected nothing here");
      return;
    }
    if (!check_value(node, value, out)) return;
    if (value.is_string()) check_string(node, text_of(value.get_string()), out);
    if (value.is_number()) check_number(node, value, out);
    if (value.is_array()) check_array(node, value.get_array(), out);
    if (value.is_object()) check_object(node, value.get_object(), out);
    check_combined(node, value, out);
  }

  // False when the value is of the wrong kind altogether, so that more words would not help.
  bool check_value(Node const& node, json::value const& value, Out& out) {
    if (node.types != 0 && (node.types & type_bits(value)) == 0) {
      report(out, "type",
             fmt::format("expected {}, found {}", expected(node), json_type_name(value)));
      return false;
    }
    if (node.constant && !same(*node.constant, value)) {
      report(out, "const",
             fmt::format("expected {}, found {}", shown(*node.constant), shown(value)));
      return false;
    }
    auto const is_value = [&](json::value const& allowed) { return same(allowed, value); };
    if (!node.allowed.empty() && std::ranges::none_of(node.allowed, is_value)) {
      report(out, "enum",
             fmt::format("expected one of {}, found {}", quoted_list(node.allowed), shown(value)));
      return false;
    }
    return true;
  }

  // What a node wants, in words, for a message.
  std::string expected(Node const& node) const {
    if (node.constant) return shown(*node.constant);
    if (!node.allowed.empty()) return "one of " + quoted_list(node.allowed);
    if (node.types != 0) return type_names(node.types);
    if (node.ref) return expected(program_.nodes[*node.ref]);
    return "a value";
  }

  void check_string(Node const& node, std::string_view text, Out& out) {
    if (node.length_min || node.length_max) {
      std::size_t const length = code_point_count(text);
      if (node.length_min && length < *node.length_min) {
        report(out, "minLength",
               *node.length_min == 1 ? std::string{"expected a string that is not empty"}
                                     : fmt::format("expected at least {} characters, found {}",
                                                   *node.length_min, length));
      }
      if (node.length_max && length > *node.length_max)
        report(out, "maxLength",
               fmt::format("expected at most {} characters, found {}", *node.length_max, length));
    }
    if (node.pattern && !node.pattern->search(text))
      report(out, "pattern",
             fmt::format("expected a string that matches {}, found \"{}\"", node.pattern->source(),
                         printable(text, kShownBytesMax)));
    if (node.format == Format::date_time && !parse_rfc3339(text))
      report(out, "format",
             fmt::format("expected an RFC 3339 time such as 2026-11-21T03:34:27Z, found \"{}\"",
                         printable(text, kShownBytesMax)));
    if (node.format == Format::uri && !is_uri(text))
      report(out, "format",
             fmt::format("expected a URI, found \"{}\"", printable(text, kShownBytesMax)));
  }

  void check_number(Node const& node, json::value const& value, Out& out) {
    auto const bound = [&](std::optional<json::value> const& limit, std::string_view keyword,
                           std::string_view words, auto holds) {
      if (limit && !holds(compare_numbers(value, *limit)))
        report(
            out, keyword,
            fmt::format("expected a number {} {}, found {}", words, shown(*limit), shown(value)));
    };
    bound(node.minimum, "minimum", "of at least", [](int order) { return order >= 0; });
    bound(node.maximum, "maximum", "of at most", [](int order) { return order <= 0; });
    bound(node.minimum_exclusive, "exclusiveMinimum", "above", [](int order) { return order > 0; });
    bound(node.maximum_exclusive, "exclusiveMaximum", "below", [](int order) { return order < 0; });
    if (node.multiple_of && !is_multiple(value, *node.multiple_of))
      report(out, "multipleOf",
             fmt::format("expected a multiple of {}, found {}", shown(*node.multiple_of),
                         shown(value)));
  }

  void check_array(Node const& node, json::array const& items, Out& out) {
    if (node.items_min && items.size() < *node.items_min)
      report(out, "minItems",
             fmt::format("expected at least {} items, found {}", *node.items_min, items.size()));
    if (node.items_max && items.size() > *node.items_max)
      report(out, "maxItems",
             fmt::format("expected at most {} items, found {}", *node.items_max, items.size()));
    for (std::size_t i = 0; i < items.size(); ++i) {
      bool const prefix = i < node.prefix_items.size();
      if (!prefix && !node.items) break;
      Step const step{pointer_, std::to_string(i)};
      check(prefix ? node.prefix_items[i] : *node.items, items[i], out);
    }
    if (node.unique_items) check_unique(items, out);
    if (node.contains) check_contains(node, items, out);
  }

  void check_unique(json::array const& items, Out& out) {
    std::unordered_set<std::string> seen;
    for (std::size_t i = 0; i < items.size(); ++i) {
      std::string text;
      append_canonical(text, items[i]);
      if (seen.insert(std::move(text)).second) continue;
      Step const step{pointer_, std::to_string(i)};
      report(out, "uniqueItems", "expected an item that is not in the array already");
      return;
    }
  }

  void check_contains(Node const& node, json::array const& items, Out& out) {
    auto const found = static_cast<std::uint64_t>(std::ranges::count_if(
        items, [&](json::value const& item) { return fits(*node.contains, item); }));
    std::uint64_t const wanted = node.contains_min.value_or(1);
    if (found < wanted)
      report(out, "contains",
             fmt::format("expected at least {} items that are {}, found {}", wanted,
                         expected(program_.nodes[*node.contains]), found));
    if (node.contains_max && found > *node.contains_max)
      report(out, "maxContains",
             fmt::format("expected at most {} items that are {}, found {}", *node.contains_max,
                         expected(program_.nodes[*node.contains]), found));
  }

  void check_object(Node const& node, json::object const& object, Out& out) {
    if (node.properties_min && object.size() < *node.properties_min)
      report(out, "minProperties",
             fmt::format("expected at least {} members, found {}", *node.properties_min,
                         object.size()));
    if (node.properties_max && object.size() > *node.properties_max)
      report(out, "maxProperties",
             fmt::format("expected at most {} members, found {}", *node.properties_max,
                         object.size()));
    for (auto const& name : node.required)
      if (!object.contains(name)) report_missing(node, name, "required", out);
    for (auto const& [name, wanted] : node.dependent_required)
      if (object.contains(name))
        for (auto const& other : wanted)
          if (!object.contains(other)) report_missing(node, other, "dependentRequired", out);
    for (auto const& member : object)
      check_member(node, member.key(), member.value(), out);
  }

  void report_missing(Node const& node, std::string const& name, std::string_view keyword,
                      Out& out) {
    auto const property = node.properties.find(name);
    Step const step{pointer_, name};
    report(out, keyword,
           fmt::format("expected {}, found nothing",
                       property == node.properties.end()
                           ? "a value"
                           : expected(program_.nodes[property->second])));
  }

  void check_member(Node const& node, std::string_view key, json::value const& value, Out& out) {
    Step const step{pointer_, key};
    if (node.property_names) {
      json::value const name(key);  // braces would make an array of one
      check(*node.property_names, name, out);
    }
    bool known = false;
    if (auto const property = node.properties.find(key); property != node.properties.end()) {
      known = true;
      check(property->second, value, out);
    }
    for (auto const& [pattern, id] : node.pattern_properties) {
      if (!pattern.search(key)) continue;
      known = true;
      check(id, value, out);
    }
    if (known || !node.additional_properties) return;
    if (program_.nodes[*node.additional_properties].always != false) {
      check(*node.additional_properties, value, out);
      return;
    }
    std::vector<std::string> names;
    for (auto const& property : node.properties)
      names.push_back(property.first);
    report(out, "additionalProperties",
           names.empty()
               ? std::string{"expected no member of this name"}
               : fmt::format("expected no member of this name; known are {}", joined(names)));
  }

  void check_combined(Node const& node, json::value const& value, Out& out) {
    if (node.ref) check(*node.ref, value, out);
    for (NodeId const id : node.all_of)
      check(id, value, out);
    if (!node.any_of.empty()) check_any(node.any_of, value, out);
    if (!node.one_of.empty()) check_one(node.one_of, value, out);
    if (node.negated && fits(*node.negated, value))
      report(out, "not", fmt::format("expected something else than {}", shown(value)));
    if (node.condition) {
      bool const holds = fits(*node.condition, value);
      if (holds && node.consequence) check(*node.consequence, value, out);
      if (!holds && node.alternative) check(*node.alternative, value, out);
    }
    if (value.is_object())
      for (auto const& [name, id] : node.dependent_schemas)
        if (value.get_object().contains(name)) check(id, value, out);
  }

  void check_any(std::vector<NodeId> const& branches, json::value const& value, Out& out) {
    std::vector<Out> failures;
    for (NodeId const id : branches) {
      Out failure;
      check(id, value, failure);
      if (failure.empty()) return;
      failures.push_back(std::move(failure));
    }
    report_nearest("anyOf", branches, failures, out);
  }

  void check_one(std::vector<NodeId> const& branches, json::value const& value, Out& out) {
    std::vector<Out> failures;
    std::size_t fitting = 0;
    for (NodeId const id : branches) {
      Out failure;
      check(id, value, failure);
      if (failure.empty()) {
        ++fitting;
      } else {
        failures.push_back(std::move(failure));
      }
    }
    if (fitting == 1) return;
    if (fitting > 1) {
      report(out, "oneOf",
             fmt::format("expected exactly one of {} alternatives, found a value that fits {}",
                         branches.size(), fitting));
      return;
    }
    report_nearest("oneOf", branches, failures, out);
  }

  // No branch fits. Where exactly one got past its own shape and failed further down, the writer
  // meant that one, and its complaint helps more than "none of 3 alternatives".
  void report_nearest(std::string_view keyword, std::vector<NodeId> const& branches,
                      std::vector<Out>& failures, Out& out) {
    Out* nearest = nullptr;
    std::size_t candidates = 0;
    for (Out& failure : failures) {
      if (std::ranges::any_of(failure, [&](Violation const& v) { return is_shape(v); })) continue;
      nearest = &failure;
      ++candidates;
    }
    if (candidates == 1) {
      for (Violation& violation : *nearest)
        if (out.size() < Schema::kViolationsMax) out.push_back(std::move(violation));
      return;
    }
    std::vector<std::string> wanted;
    for (NodeId const id : branches) {
      std::string words = alternative_words(program_.nodes[id]);
      if (std::ranges::find(wanted, words) == wanted.end()) wanted.push_back(std::move(words));
    }
    report(out, keyword, fmt::format("expected one of these: {}", joined(wanted)));
  }

  std::string alternative_words(Node const& node) const {
    if (node.ref) return alternative_words(program_.nodes[*node.ref]);
    if (node.required.empty()) return expected(node);
    std::vector<std::string> names;
    for (auto const& name : node.required) {
      auto const property = node.properties.find(name);
      bool const fixed =
          property != node.properties.end() && program_.nodes[property->second].constant;
      names.push_back(
          fixed ? fmt::format("{} = {}", name, shown(*program_.nodes[property->second].constant))
                : name);
    }
    return fmt::format("an object with {}", fmt::join(names, " and "));
  }

  // Does the violation say that the value is another kind of thing than the branch describes?
  bool is_shape(Violation const& violation) const {
    if (violation.pointer == pointer_) return true;
    bool const member = violation.pointer.find('/', pointer_.size() + 1) == std::string::npos;
    return member && (violation.keyword == "required" || violation.keyword == "const" ||
                      violation.keyword == "additionalProperties");
  }

  Schema::Program const& program_;
  std::vector<Violation> violations_;
  std::string pointer_;
  std::size_t depth_ = 0;
  std::size_t steps_ = 0;
  std::optional<Violation> exhausted_;  // why the whole value could not be checked
};

}  // namespace

std::string Violation::text() const {
  return fmt::format("{}: {}", pointer.empty() ? "the document" : printable(pointer, 500), message);
}

Status SchemaSet::add(json::value document) {
  std::string const id =
      document.is_object() ? std::string{string_or(document.get_object(), "$id", "")} : "";
  if (id.empty())
    return fail(ErrorCode::invalid_argument, "a schema that others refer to needs an $id");
  if (!documents_.emplace(id, std::move(document)).second)
    return fail(ErrorCode::conflict, "a schema with the $id '{}' is known already", printable(id));
  return {};
}

json::value const* SchemaSet::find(std::string_view id) const {
  auto const found = documents_.find(id);
  return found == documents_.end() ? nullptr : &found->second;
}

Result<Schema> Schema::compile(json::value const& document, SchemaSet const* others,
                               UnknownKeywords unknown) {
  auto program = Compiler{others, unknown}.run(document);
  if (!program) return std::unexpected(std::move(program).error());
  return Schema{std::make_shared<Program const>(*std::move(program))};
}

std::vector<Violation> Schema::validate(json::value const& value) const {
  return Validator{*program_}.run(value);
}

Status Schema::check(json::value const& value) const {
  auto const violations = validate(value);
  if (violations.empty()) return {};
  return std::unexpected(Error{ErrorCode::invalid_argument, violations.front().text(), {}});
}

std::string_view error_pointer(Error const& error) {
  std::string_view const message = error.message;
  if (!message.starts_with('/')) return {};
  auto const end = message.find(": ");
  return end == std::string_view::npos ? std::string_view{} : message.substr(0, end);
}

}  // namespace drover
