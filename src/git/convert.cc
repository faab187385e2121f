#include "git/convert.h"

#include "base/text.h"

namespace drover::git {

namespace {

struct TextStats {
  std::size_t nul = 0, lone_cr = 0, lone_lf = 0, crlf = 0, printable = 0, nonprintable = 0;
};

TextStats gather(std::string_view content) {
  TextStats stats;
  for (std::size_t i = 0; i < content.size(); ++i) {
    auto const c = static_cast<unsigned char>(content[i]);
    if (c == '\r') {
      if (i + 1 < content.size() && content[i + 1] == '\n') {
        ++stats.crlf;
        ++i;
      } else {
        ++stats.lone_cr;
      }
    } else if (c == '\n') {
      ++stats.lone_lf;
    } else if (c == 127) {
      ++stats.nonprintable;
    } else if (c < 32) {
      bool const text_control = c == '\b' || c == '\t' || c == 033 || c == 014;
      ++(text_control ? stats.printable : stats.nonprintable);
      if (c == 0) ++stats.nul;
    } else {
      ++stats.printable;
    }
  }
  // A final Ctrl-Z is DOS's end of file.
  if (content.ends_with('\032')) --stats.nonprintable;
  return stats;
}

bool looks_binary(TextStats const& stats) {
  return stats.lone_cr > 0 || stats.nul > 0 || (stats.printable >> 7U) < stats.nonprintable;
}

bool is_guess(LineEnds ends) {
  return ends == LineEnds::guess || ends == LineEnds::guess_lf || ends == LineEnds::guess_crlf;
}

bool text_is_crlf(ConvertConfig const& config) {
  if (config.auto_crlf == AutoCrlf::on) return true;
  if (config.auto_crlf == AutoCrlf::input) return false;
  return config.eol == CoreEol::crlf;
}

bool holds_crlf_text(std::string_view indexed) {
  if (indexed.find('\r') == std::string_view::npos) return false;
  TextStats const stats = gather(indexed);
  return !looks_binary(stats) && stats.crlf > 0;
}

std::string strip_cr(std::string_view content, bool only_before_lf) {
  std::string out;
  out.reserve(content.size());
  for (std::size_t i = 0; i < content.size(); ++i) {
    bool const before_lf = i + 1 < content.size() && content[i + 1] == '\n';
    if (content[i] == '\r' && (before_lf || !only_before_lf)) continue;
    out += content[i];
  }
  return out;
}

std::string lines_to_repository(std::string content, LineEnds ends, std::string_view indexed) {
  if (ends == LineEnds::binary || content.find('\r') == std::string::npos) return content;
  TextStats const stats = gather(content);
  if (stats.crlf == 0) return content;
  if (!is_guess(ends)) return strip_cr(content, true);
  if (looks_binary(stats) || holds_crlf_text(indexed)) return content;
  return strip_cr(content, false);
}

std::string lines_to_work_tree(std::string content, Conversion const& conversion) {
  LineEnds const ends = conversion.line_ends;
  bool const crlf =
      ends == LineEnds::text_crlf || ends == LineEnds::guess_crlf ||
      ((ends == LineEnds::text || ends == LineEnds::guess) && text_is_crlf(conversion.config));
  if (!crlf) return content;
  TextStats const stats = gather(content);
  if (stats.lone_lf == 0) return content;
  if (is_guess(ends) && (stats.lone_cr > 0 || stats.crlf > 0 || looks_binary(stats)))
    return content;
  std::string out;
  out.reserve(content.size() + stats.lone_lf);
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '\n' && (i == 0 || content[i - 1] != '\r')) out += '\r';
    out += content[i];
  }
  return out;
}

// Calls `replace(expansion)` for each `$Id$` (empty) and `$Id:expansion$` on one line.
template <class Replace>
std::string rewrite_ident(std::string content, Replace replace) {
  static constexpr std::string_view kMark = "$Id";
  if (content.find(kMark) == std::string::npos) return content;
  std::string out;
  std::string_view rest = content;
  for (;;) {
    std::size_t const at = rest.find(kMark);
    if (at == std::string_view::npos) break;
    std::size_t end = at + kMark.size();
    std::string_view expansion;
    bool found = end < rest.size() && rest[end] == '$';
    if (!found && end < rest.size() && rest[end] == ':') {
      std::size_t const close = rest.find_first_of("$\n", end + 1);
      found = close != std::string_view::npos && rest[close] == '$';
      if (found) {
        expansion = rest.substr(end + 1, close - end - 1);
        end = close;
      }
    }
    if (!found) {
      out += rest.substr(0, at + kMark.size());
      rest.remove_prefix(at + kMark.size());
      continue;
    }
    out += rest.substr(0, at);
    out += replace(rest.substr(at, end + 1 - at), expansion);
    rest.remove_prefix(end + 1);
  }
  out += rest;
  return out;
}

LineEnds from_text_attribute(AttributeValue const& text, bool& decided) {
  using State = AttributeValue::State;
  decided = true;
  if (text.state == State::set) return LineEnds::text;
  if (text.state == State::unset) return LineEnds::binary;
  if (text.is("input")) return LineEnds::text_lf;
  if (text.is("auto")) return LineEnds::guess;
  decided = false;
  return LineEnds::binary;
}

}  // namespace

Conversion conversion_for(PathAttributes const& attributes, ConvertConfig const& config) {
  Conversion conversion{.ident = attributes.ident.is_set(), .config = config};
  bool decided = false;
  LineEnds ends = from_text_attribute(attributes.text, decided);
  if (!decided) ends = from_text_attribute(attributes.crlf, decided);
  if (!decided || ends != LineEnds::binary) {
    bool const lf = attributes.eol.is("lf");
    bool const crlf = attributes.eol.is("crlf");
    if (decided && ends == LineEnds::guess) {
      if (lf) ends = LineEnds::guess_lf;
      if (crlf) ends = LineEnds::guess_crlf;
    } else if (lf || crlf) {
      ends = lf ? LineEnds::text_lf : LineEnds::text_crlf;
      decided = true;
    }
  }
  if (!decided && config.auto_crlf == AutoCrlf::on) ends = LineEnds::guess_crlf;
  if (!decided && config.auto_crlf == AutoCrlf::input) ends = LineEnds::guess_lf;
  conversion.line_ends = ends;
  return conversion;
}

bool needs_external_filter(PathAttributes const& attributes) {
  return attributes.filter.state == AttributeValue::State::value &&
         !attributes.filter.value.empty();
}

bool needs_reencoding(PathAttributes const& attributes) {
  auto const& encoding = attributes.working_tree_encoding;
  if (encoding.state != AttributeValue::State::value || encoding.value.empty()) return false;
  return !iequals(encoding.value, "UTF-8") && !iequals(encoding.value, "UTF8");
}

bool depends_on_indexed(Conversion const& conversion) {
  return is_guess(conversion.line_ends);
}

std::string to_repository(std::string content, Conversion const& conversion,
                          std::string_view indexed) {
  content = lines_to_repository(std::move(content), conversion.line_ends, indexed);
  if (!conversion.ident) return content;
  return rewrite_ident(std::move(content),
                       [](std::string_view, std::string_view) { return std::string{"$Id$"}; });
}

std::string to_work_tree(std::string content, Conversion const& conversion, Oid const& blob) {
  if (conversion.ident) {
    content =
        rewrite_ident(std::move(content), [&](std::string_view whole, std::string_view expansion) {
          // An expansion with inner blanks is another system's; it stays.
          std::string_view inner = trim(expansion);
          if (inner.find(' ') != std::string_view::npos) return std::string{whole};
          return "$Id: " + blob.hex() + " $";
        });
  }
  return lines_to_work_tree(std::move(content), conversion);
}

}  // namespace drover::git
