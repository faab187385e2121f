// Glob and Grep. Both walk the tree without following links to folders, and leave out version
// control folders and the agent's own transcripts, which would find every search in itself.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <tuple>

#include "agent/tool.h"
#include "base/pattern.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::agent {

namespace {

constexpr std::size_t kGlobResultsMax = 100;
constexpr std::int64_t kGrepResultsDefault = 250;
constexpr std::size_t kGrepBytesMax = std::size_t{24} << 10U;
constexpr std::size_t kGrepFileBytesMax = std::size_t{16} << 20U;
constexpr std::size_t kGrepLineBytesMax = 500;
constexpr int kDepthMax = 64;
constexpr std::size_t kFilesMax = 1'000'000;
constexpr std::size_t kBinaryProbeBytes = 8192;

struct FoundFile {
  std::string relative;
  timespec changed{};
};

bool is_left_out(std::string_view relative, std::string_view name) {
  constexpr std::array<std::string_view, 6> kFolders = {".git", ".hg",  ".svn",
                                                        ".jj",  ".bzr", ".drover"};
  if (std::ranges::find(kFolders, name) != kFolders.end()) return true;
  return relative == ".claude/projects" || relative.ends_with("/.claude/projects");
}

// Regular files below a folder, in name order, depth first.
class Walk {
 public:
  using Visit = std::function<bool(FoundFile const&)>;  // false: enough
  Walk(std::string root, std::atomic<bool> const& stop, Visit visit)
      : root_(std::move(root)), stop_(&stop), visit_(std::move(visit)) {}

  void run() { folder("", 0); }
  // What could not be looked at; empty when nothing.
  [[nodiscard]] std::string const& gap() const { return gap_; }

 private:
  bool folder(std::string const& relative, int depth) {
    if (depth > kDepthMax) {
      gap_ = fmt::format("folders deeper than {} were left out", kDepthMax);
      return true;
    }
    std::string const path = relative.empty() ? root_ : root_ + "/" + relative;
    DIR* const handle = ::opendir(path.c_str());
    if (handle == nullptr) {
      gap_ = system_error(errno, "open", path).message;
      return true;
    }
    std::vector<std::pair<std::string, unsigned char>> entries;
    while (dirent const* const entry = ::readdir(handle)) {
      std::string_view const name = entry->d_name;
      if (name != "." && name != "..") entries.emplace_back(name, entry->d_type);
    }
    ::closedir(handle);
    std::ranges::sort(entries);
    for (auto const& [name, type] : entries) {
      if (stop_->load(std::memory_order_relaxed)) return false;
      if (!entry_of(relative.empty() ? name : relative + "/" + name, name, type, depth))
        return false;
    }
    return true;
  }

  bool entry_of(std::string const& relative, std::string const& name, unsigned char type,
                int depth) {
    if (type == DT_DIR) return is_left_out(relative, name) || folder(relative, depth + 1);
    if (type != DT_REG && type != DT_LNK && type != DT_UNKNOWN) return true;
    struct stat info{};
    if (::stat((root_ + "/" + relative).c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return true;
    if (++files_ > kFilesMax) {
      gap_ = fmt::format("only the first {} files were looked at", kFilesMax);
      return false;
    }
    return visit_({relative, info.st_mtim});
  }

  std::string root_;
  std::atomic<bool> const* stop_;
  Visit visit_;
  std::size_t files_ = 0;
  std::string gap_;
};

constexpr std::string_view kPatternMeta = R"(\^$.|?*+()[]{})";

// A glob as a regular expression over the path relative to the search folder: ** crosses folders,
// * and ? do not, {a,b} is a choice, [a-z] a class.
std::string glob_to_pattern(std::string_view glob) {
  std::string out = "^";
  int braces = 0;
  for (std::size_t i = 0; i < glob.size(); ++i) {
    char const c = glob[i];
    if (glob.substr(i).starts_with("**/")) {
      out += "(?:.*/)?";
      i += 2;
    } else if (glob.substr(i).starts_with("**")) {
      out += ".*";
      ++i;
    } else if (c == '*') {
      out += "[^/]*";
    } else if (c == '?') {
      out += "[^/]";
    } else if (c == '{') {
      out += "(?:";
      ++braces;
    } else if (c == '}' && braces > 0) {
      out += ')';
      --braces;
    } else if (c == ',' && braces > 0) {
      out += '|';
    } else if (c == '[' && glob.find(']', i) != std::string_view::npos) {
      auto const end = glob.find(']', i);
      std::string_view inside = glob.substr(i + 1, end - i - 1);
      out += '[';
      if (inside.starts_with('!')) {
        out += '^';
        inside.remove_prefix(1);
      }
      out += inside;
      out += ']';
      i = end;
    } else {
      if (kPatternMeta.find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out + "$";
}

Result<Pattern> compile_glob(std::string_view glob) {
  auto pattern = Pattern::compile(glob_to_pattern(glob));
  if (pattern) return pattern;
  return fail(ErrorCode::invalid_argument, "the glob '{}' is not valid: {}", printable(glob),
              pattern.error().message);
}

// The folder, or the file, that a search is about.
Result<std::string> search_root(std::optional<std::string> const& path, ToolScope const& scope) {
  std::string root = path ? resolve_path(*path, *scope.cwd) : *scope.cwd;
  if (os::exists(root)) return root;
  return fail(ErrorCode::not_found, "Path does not exist: {}", root);
}

std::string with_gap(std::string text, std::string const& gap) {
  if (gap.empty()) return text;
  return fmt::format("{}\n[incomplete: {}]", text, gap);
}

class GlobTool final : public Tool {
 public:
  [[nodiscard]] model::ToolSpec const& spec() const override {
    static model::ToolSpec const kSpec{
        "Glob",
        "Finds files by a pattern such as **/*.cc or src/{a,b}/*.h. Returns absolute paths, the "
        "latest changed first, at most 100.",
        R"json({"type":"object","additionalProperties":false,"required":["pattern"],"properties":{
  "pattern":{"type":"string","description":"Glob over the path relative to `path`"},
  "path":{"type":"string","description":"Folder to search; default: the working folder"}}})json"};
    return kSpec;
  }
  [[nodiscard]] ToolKind kind() const override { return ToolKind::read_only; }

  [[nodiscard]] ToolReply run(JsonObject const& input, ToolScope& scope) override {
    auto const glob = input.string("pattern");
    if (!glob) return bad_arguments(glob.error());
    auto const path = input.optional_string("path");
    if (!path) return bad_arguments(path.error());
    auto const root = search_root(*path, scope);
    if (!root) return tool_error(root.error().message);
    std::string_view relative = *glob;
    std::string const below = *root + "/";
    if (relative.starts_with(below)) relative.remove_prefix(below.size());
    auto const pattern = compile_glob(relative);
    if (!pattern) return tool_error(pattern.error().message);
    std::vector<FoundFile> found;
    Walk walk{*root, *scope.stop, [&](FoundFile const& file) {
                if (pattern->search(file.relative)) found.push_back(file);
                return true;
              }};
    walk.run();
    if (scope.stop->load()) return tool_error("Interrupted.");
    return reply(*root, std::move(found), walk.gap());
  }

 private:
  static ToolReply reply(std::string const& root, std::vector<FoundFile> found,
                         std::string const& gap) {
    if (found.empty()) return tool_ok(with_gap("No files found", gap));
    std::ranges::sort(found, [](FoundFile const& left, FoundFile const& right) {
      return std::tie(right.changed.tv_sec, right.changed.tv_nsec, left.relative) <
             std::tie(left.changed.tv_sec, left.changed.tv_nsec, right.relative);
    });
    std::string out;
    for (std::size_t i = 0; i < std::min(found.size(), kGlobResultsMax); ++i)
      out += fmt::format("{}/{}\n", root, to_utf8(found[i].relative));
    if (found.size() > kGlobResultsMax)
      out += fmt::format("({} of {} results are shown; use a narrower path or pattern)\n",
                         kGlobResultsMax, found.size());
    return tool_ok(with_gap(std::move(out), gap));
  }
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lowered(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

// Escapes keep their case: \S is not \s.
std::string lowered_pattern(std::string_view pattern) {
  std::string out{pattern};
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == '\\') {
      ++i;
    } else {
      out[i] = lower(out[i]);
    }
  }
  return out;
}

// `{`, `}` and `]` as most engines have them: themselves, where they end or begin nothing. Models
// search for code, and code is full of them.
std::string relaxed_pattern(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    char const c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      out += c;
      out += pattern[++i];
      continue;
    }
    if (in_class) {
      in_class = c != ']';
      out += c;
      continue;
    }
    if (c == '[') in_class = true;
    if (c == '{') {
      std::size_t const end = pattern.find_first_not_of("0123456789,", i + 1);
      bool const counts = end != std::string_view::npos && end > i + 1 && pattern[end] == '}' &&
                          pattern[i + 1] != ',';
      if (counts) {
        out += pattern.substr(i, end - i + 1);
        i = end;
        continue;
      }
    }
    if (c == '{' || c == '}' || c == ']') out += '\\';
    out += c;
  }
  return out;
}

// A literal that every match contains, found only where that is plain to see; else empty.
std::string required_literal(std::string_view pattern) {
  if (pattern.find_first_of("|()[]{}\\") != std::string_view::npos) {
    return {};
  }
  std::string best;
  std::string run;
  auto const end_run = [&] {
    if (run.size() > best.size()) best = run;
    run.clear();
  };
  for (char const c : pattern) {
    if (c == '*' || c == '?') {
      if (!run.empty()) run.pop_back();
      end_run();
    } else if (c == '+' || c == '.' || c == '^' || c == '$') {
      end_run();
    } else {
      run += c;
    }
  }
  end_run();
  return best;
}

enum class GrepCase : std::uint8_t { exact, ignored };

// One line at a time. Most lines are turned down by the literal alone.
class LineMatcher {
 public:
  static Result<LineMatcher> make(std::string const& source, GrepCase grep_case) {
    bool const ignored = grep_case == GrepCase::ignored;
    std::string const text = relaxed_pattern(ignored ? lowered_pattern(source) : source);
    auto pattern = Pattern::compile(text);
    if (!pattern) return std::unexpected(pattern.error());
    bool const plain = text.find_first_of(kPatternMeta) == std::string::npos;
    return LineMatcher{*std::move(pattern), required_literal(text), ignored, plain};
  }
  [[nodiscard]] bool matches(std::string_view line) const {
    if (!ignored_) return matches_exact(line);
    return matches_exact(lowered(line));
  }
  // Whether a text without this may be skipped whole.
  [[nodiscard]] bool possible(std::string_view text) const {
    return ignored_ || literal_.empty() || text.find(literal_) != std::string_view::npos;
  }

 private:
  LineMatcher(Pattern pattern, std::string literal, bool ignored, bool plain)
      : pattern_(std::move(pattern)),
        literal_(std::move(literal)),
        ignored_(ignored),
        plain_(plain) {}
  [[nodiscard]] bool matches_exact(std::string_view line) const {
    if (!literal_.empty() && line.find(literal_) == std::string_view::npos) return false;
    return plain_ || pattern_.search(line);
  }
  Pattern pattern_;
  std::string literal_;
  bool ignored_;
  bool plain_;  // no more than the literal
};

enum class GrepMode : std::uint8_t { files, content, count };

struct GrepRequest {
  GrepMode mode = GrepMode::files;
  bool numbers = true;
  std::int64_t before = 0;
  std::int64_t after = 0;
  std::int64_t results_max = kGrepResultsDefault;  // 0: no limit but the bytes
};

class GrepOutput {
 public:
  explicit GrepOutput(GrepRequest const& request) : request_(request) {}

  void file(std::string const& path, std::string_view text, LineMatcher const& matcher) {
    lines_ = split(text, '\n');
    if (!lines_.empty() && lines_.back().empty()) lines_.pop_back();
    std::int64_t matches = 0;
    shown_to_ = 0;
    for (std::size_t i = 0; i < lines_.size() && !full_; ++i) {
      if (!matcher.matches(without_cr(lines_[i]))) continue;
      ++matches;
      if (request_.mode == GrepMode::files) break;
      if (request_.mode == GrepMode::content) content(path, i);
    }
    if (matches == 0 || request_.mode == GrepMode::content) return;
    line(request_.mode == GrepMode::files ? path : fmt::format("{}:{}", path, matches));
  }

  [[nodiscard]] bool full() const { return full_; }
  [[nodiscard]] std::string take() {
    if (out_.empty()) return "No matches found";
    if (full_) out_ += "[there are more results; narrow the search, or raise head_limit]\n";
    return std::move(out_);
  }

 private:
  static std::string_view without_cr(std::string_view text) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    return text;
  }
  void content(std::string const& path, std::size_t match) {
    auto const before = static_cast<std::size_t>(request_.before);
    auto const after = static_cast<std::size_t>(request_.after);
    std::size_t const first = std::max(shown_to_, match - std::min(match, before));
    std::size_t const last = std::min(lines_.size() - 1, match + after);
    if (first > shown_to_ && shown_to_ != 0 && (before != 0 || after != 0)) line("--");
    for (std::size_t i = first; i <= last && !full_; ++i)
      show(path, i, i == match ? ':' : '-');
    shown_to_ = last + 1;
  }
  void show(std::string const& path, std::size_t i, char mark) {
    std::string const text = to_utf8(utf8_prefix(without_cr(lines_[i]), kGrepLineBytesMax));
    line(request_.numbers ? fmt::format("{}{}{}{}{}", path, mark, i + 1, mark, text)
                          : fmt::format("{}{}{}", path, mark, text));
  }
  void line(std::string_view text) {
    bool const enough = request_.results_max > 0 && results_ >= request_.results_max;
    if (enough || out_.size() + text.size() > kGrepBytesMax) {
      full_ = true;
      return;
    }
    out_ += text;
    out_ += '\n';
    ++results_;
  }

  GrepRequest request_;
  std::vector<std::string_view> lines_;
  std::size_t shown_to_ = 0;  // lines before this have been shown
  std::string out_;
  std::int64_t results_ = 0;
  bool full_ = false;
};

Result<GrepMode> parse_mode(JsonObject const& input) {
  auto const mode = input.optional_string("output_mode");
  if (!mode) return std::unexpected(mode.error());
  std::string const name = mode->value_or("files_with_matches");
  if (name == "files_with_matches") return GrepMode::files;
  if (name == "content") return GrepMode::content;
  if (name == "count") return GrepMode::count;
  return fail(ErrorCode::invalid_argument,
              "/output_mode: expected content, files_with_matches or count, found \"{}\"",
              printable(name));
}

Result<std::int64_t> count_of(JsonObject const& input, std::string_view key,
                              std::int64_t fallback) {
  constexpr std::int64_t kCountMax = 1'000'000;
  auto const value = input.optional_integer(key);
  if (!value) return std::unexpected(value.error());
  return std::clamp<std::int64_t>(value->value_or(fallback), 0, kCountMax);
}

Result<GrepRequest> parse_grep(JsonObject const& input) {
  GrepRequest request;
  auto const mode = parse_mode(input);
  if (!mode) return std::unexpected(mode.error());
  request.mode = *mode;
  auto const around = count_of(input, "-C", 0);
  if (!around) return std::unexpected(around.error());
  auto const before = count_of(input, "-B", *around);
  if (!before) return std::unexpected(before.error());
  auto const after = count_of(input, "-A", *around);
  if (!after) return std::unexpected(after.error());
  auto const results = count_of(input, "head_limit", kGrepResultsDefault);
  if (!results) return std::unexpected(results.error());
  auto const numbers = input.optional_boolean("-n");
  if (!numbers) return std::unexpected(numbers.error());
  request.before = *before;
  request.after = *after;
  request.results_max = *results;
  request.numbers = numbers->value_or(true);
  return request;
}

class GrepTool final : public Tool {
 public:
  [[nodiscard]] model::ToolSpec const& spec() const override {
    static model::ToolSpec const kSpec{
        "Grep",
        "Searches file contents line by line with a regular expression (no look-around, no "
        "back-references). Returns file names, or matching lines with output_mode content.",
        R"json({"type":"object","additionalProperties":false,"required":["pattern"],"properties":{
  "pattern":{"type":"string","description":"Regular expression"},
  "path":{"type":"string","description":"File or folder to search; default: the working folder"},
  "glob":{"type":"string","description":"Only files whose path matches, such as *.cc or src/**"},
  "output_mode":{"type":"string","enum":["content","files_with_matches","count"],"description":"Default files_with_matches"},
  "-i":{"type":"boolean","description":"Ignore case (ASCII)"},
  "-n":{"type":"boolean","description":"Show line numbers (default true)"},
  "-A":{"type":"integer","minimum":0,"description":"Lines after each match"},
  "-B":{"type":"integer","minimum":0,"description":"Lines before each match"},
  "-C":{"type":"integer","minimum":0,"description":"Lines before and after each match"},
  "head_limit":{"type":"integer","minimum":0,"description":"Most lines or files to return (default 250)"}}})json"};
    return kSpec;
  }
  [[nodiscard]] ToolKind kind() const override { return ToolKind::read_only; }

  [[nodiscard]] ToolReply run(JsonObject const& input, ToolScope& scope) override {
    auto const source = input.string("pattern");
    if (!source) return bad_arguments(source.error());
    auto const path = input.optional_string("path");
    if (!path) return bad_arguments(path.error());
    auto const glob = input.optional_string("glob");
    if (!glob) return bad_arguments(glob.error());
    auto const ignore = input.optional_boolean("-i");
    if (!ignore) return bad_arguments(ignore.error());
    auto const request = parse_grep(input);
    if (!request) return bad_arguments(request.error());
    auto const matcher =
        LineMatcher::make(*source, ignore->value_or(false) ? GrepCase::ignored : GrepCase::exact);
    if (!matcher)
      return tool_error(fmt::format("The pattern is not a valid regular expression: {}",
                                    matcher.error().message));
    std::optional<Pattern> filter;
    if (*glob) {
      // As with ripgrep: a glob without a slash is about the file's name.
      auto compiled =
          compile_glob((*glob)->find('/') == std::string::npos ? "**/" + **glob : **glob);
      if (!compiled) return tool_error(compiled.error().message);
      filter = *std::move(compiled);
    }
    auto const root = search_root(*path, scope);
    if (!root) return tool_error(root.error().message);
    return search(*root, *matcher, filter, *request, scope);
  }

 private:
  static ToolReply search(std::string const& root, LineMatcher const& matcher,
                          std::optional<Pattern> const& filter, GrepRequest const& request,
                          ToolScope const& scope) {
    GrepOutput output{request};
    auto const look_at = [&](std::string const& path) {
      auto const text = os::read_file(path, kGrepFileBytesMax);
      // Unreadable, huge and binary files hold no lines that a model could want.
      if (!text ||
          std::string_view{*text}.substr(0, kBinaryProbeBytes).find('\0') != std::string_view::npos)
        return true;
      if (matcher.possible(*text)) output.file(path, *text, matcher);
      return !output.full();
    };
    struct stat info{};
    if (::stat(root.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      look_at(root);
      return tool_ok(output.take());
    }
    Walk walk{root, *scope.stop, [&](FoundFile const& file) {
                if (filter && !filter->search(file.relative)) return true;
                return look_at(root + "/" + file.relative);
              }};
    walk.run();
    if (scope.stop->load()) return tool_error("Interrupted.");
    return tool_ok(with_gap(output.take(), walk.gap()));
  }
};

}  // namespace

std::unique_ptr<Tool> make_glob_tool() {
  return std::make_unique<GlobTool>();
}
std::unique_ptr<Tool> make_grep_tool() {
  return std::make_unique<GrepTool>();
}

}  // namespace drover::agent
