#include "workflow/js_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/json_text.h"

namespace drover::workflow {

namespace {

constexpr std::int64_t kExactMax = std::int64_t{1} << 53U;
enum class Layout : std::uint8_t { compact, pretty };

// The name of an array index, which JavaScript objects keep before all other names.
std::optional<std::uint32_t> array_index(std::string_view name) {
  constexpr std::uint32_t kIndexMax = 4'294'967'294;
  if (name.empty() || name.size() > 10 || (name.size() > 1 && name.front() == '0'))
    return std::nullopt;
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
  if (error != std::errc{} || end != name.data() + name.size() || value > kIndexMax)
    return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

// Like append_json_string, but JavaScript keeps DEL and everything above as it is.
void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (char const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (byte >= 0x20) {
          out += c;
          break;
        }
        out += "\\u00";
        out += kHex[byte >> 4U];
        out += kHex[byte & 0xFU];
    }
  }
  out += '"';
}

class Printer {
 public:
  explicit Printer(Layout layout) : layout_(layout) {}

  void print(json::value const& value) {
    switch (value.kind()) {
      case json::kind::null:
        text_ += "null";
        return;
      case json::kind::bool_:
        text_ += value.get_bool() ? "true" : "false";
        return;
      case json::kind::int64:
        return integer(value.get_int64());
      case json::kind::uint64:
        text_ += number_text(static_cast<double>(value.get_uint64()));
        return;
      case json::kind::double_:
        text_ += number_text(value.get_double());
        return;
      case json::kind::string:
        return append_string(text_, value.get_string());
      case json::kind::array:
        return array(value.get_array());
      case json::kind::object:
        return object(value.get_object());
    }
  }
  std::string take() { return std::move(text_); }

 private:
  void integer(std::int64_t value) {
    // Beyond 2^53 JavaScript has read another number already.
    if (value > kExactMax || value < -kExactMax)
      text_ += number_text(static_cast<double>(value));
    else
      text_ += std::to_string(value);
  }

  void array(json::array const& items) {
    if (items.empty()) {
      text_ += "[]";
      return;
    }
    open('[');
    bool first = true;
    for (auto const& item : items) {
      separate(first);
      print(item);
    }
    close(']');
  }

  void object(json::object const& members) {
    if (members.empty()) {
      text_ += "{}";
      return;
    }
    open('{');
    bool first = true;
    std::vector<std::pair<std::uint32_t, json::key_value_pair const*>> indexed;
    for (auto const& member : members)
      if (auto const index = array_index(member.key())) indexed.emplace_back(*index, &member);
    std::ranges::sort(indexed, {}, &std::pair<std::uint32_t, json::key_value_pair const*>::first);
    for (auto const& [index, each] : indexed)
      member(*each, first);
    for (auto const& each : members)
      if (indexed.empty() || !array_index(each.key())) member(each, first);
    close('}');
  }

  void member(json::key_value_pair const& each, bool& first) {
    separate(first);
    append_string(text_, each.key());
    text_ += layout_ == Layout::pretty ? ": " : ":";
    print(each.value());
  }

  void open(char bracket) {
    text_ += bracket;
    ++depth_;
  }
  void separate(bool& first) {
    if (!first) text_ += ',';
    first = false;
    line();
  }
  void close(char bracket) {
    --depth_;
    line();
    text_ += bracket;
  }
  void line() {
    if (layout_ == Layout::compact) return;
    text_ += '\n';
    text_.append(2 * depth_, ' ');
  }

  Layout layout_;
  std::size_t depth_ = 0;
  std::string text_;
};

std::string printed(json::value const& value, Layout layout) {
  Printer printer{layout};
  printer.print(value);
  return printer.take();
}

}  // namespace

// ECMA-262, Number::toString: digits d1…dk and the exponent n with value = 0.d1…dk × 10^n.
std::string number_text(double value) {
  if (value == 0) return "0";
  if (!std::isfinite(value)) return "null";
  if (value < 0) return "-" + number_text(-value);
  std::array<char, 40> buffer{};
  auto const [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                          std::chars_format::scientific);
  std::string_view const scientific{buffer.data(), end};
  auto const e = scientific.find('e');
  std::string digits{scientific.substr(0, 1)};
  if (e > 2) digits += scientific.substr(2, e - 2);
  int exponent = 0;
  auto const* const sign = scientific.data() + e + 1;
  std::from_chars(*sign == '+' ? sign + 1 : sign, scientific.data() + scientific.size(), exponent);
  int const n = exponent + 1;
  int const k = static_cast<int>(digits.size());
  if (k <= n && n <= 21) return digits + std::string(static_cast<std::size_t>(n - k), '0');
  if (0 < n && n <= 21) return digits.insert(static_cast<std::size_t>(n), ".");
  if (-6 < n && n <= 0) return "0." + std::string(static_cast<std::size_t>(-n), '0') + digits;
  std::string const power = (n > 0 ? "e+" : "e-") + std::to_string(std::abs(n - 1));
  return k == 1 ? digits + power : digits.insert(1, ".") + power;
}

std::string pretty_text(json::value const& value) {
  return printed(value, Layout::pretty);
}

std::string file_text(json::value const& value) {
  return printed(value, Layout::pretty) + "\n";
}

std::string compact_text(json::value const& value) {
  return printed(value, Layout::compact);
}

}  // namespace drover::workflow
