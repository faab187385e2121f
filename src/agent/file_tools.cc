// Read, Write and Edit.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "agent/tool.h"
#include "base/text.h"
#include "os/fd.h"
#include "os/files.h"

namespace drover::agent {

namespace {

constexpr std::int64_t kReadLinesDefault = 2000;
constexpr std::size_t kReadLineBytesMax = 2000;
constexpr std::size_t kReadBytesMax = std::size_t{96} << 10U;
constexpr std::size_t kEditBytesMax = std::size_t{16} << 20U;
constexpr std::size_t kBinaryProbeBytes = 8192;

// Collects numbered lines of a file that is read in pieces, and stops when it has enough.
class LineWindow {
 public:
  LineWindow(std::int64_t first, std::int64_t count) : first_(first), last_(first + count - 1) {}

  // False once nothing more is wanted.
  bool take(std::string_view bytes) {
    while (!bytes.empty()) {
      auto const end = bytes.find('\n');
      add_to_line(bytes.substr(0, end));
      if (end == std::string_view::npos) return true;
      bytes.remove_prefix(end + 1);
      if (!end_line()) return false;
    }
    return true;
  }
  void finish() {
    if (line_has_bytes_) end_line();
  }

  [[nodiscard]] std::int64_t lines_seen() const { return number_ - 1; }
  [[nodiscard]] std::string const& text() const { return out_; }
  [[nodiscard]] bool full() const { return full_; }

 private:
  void add_to_line(std::string_view part) {
    line_has_bytes_ = line_has_bytes_ || !part.empty();
    if (number_ < first_) return;
    std::size_t const room = kReadLineBytesMax - std::min(line_.size(), kReadLineBytesMax);
    line_ += part.substr(0, room);
    dropped_ += part.size() - std::min(part.size(), room);
  }
  bool end_line() {
    if (number_ >= first_) {
      if (line_.ends_with('\r')) line_.pop_back();
      out_ += fmt::format("{:>6}\t{}", number_, to_utf8(line_));
      if (dropped_ != 0) out_ += fmt::format(" [... {} bytes of this line left out]", dropped_);
      out_ += '\n';
    }
    line_.clear();
    dropped_ = 0;
    line_has_bytes_ = false;
    ++number_;
    full_ = number_ > last_ || out_.size() >= kReadBytesMax;
    return !full_;
  }

  std::int64_t first_;
  std::int64_t last_;
  std::int64_t number_ = 1;
  std::string line_;
  std::size_t dropped_ = 0;
  std::string out_;
  bool line_has_bytes_ = false;
  bool full_ = false;
};

Result<os::Fd> open_regular(std::string const& path) {
  os::Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!fd.valid()) {
    if (errno == ENOENT) return fail(ErrorCode::not_found, "File does not exist: {}", path);
    return fail_errno("open", path);
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("inspect", path);
  if (S_ISDIR(info.st_mode))
    return fail(ErrorCode::invalid_argument, "{} is a folder; list it with Glob or Bash ls", path);
  if (!S_ISREG(info.st_mode))
    return fail(ErrorCode::invalid_argument, "{} is not a regular file", path);
  return fd;
}

class ReadTool final : public Tool {
 public:
  [[nodiscard]] model::ToolSpec const& spec() const override {
    static model::ToolSpec const kSpec{
        "Read",
        "Reads a text file. Returns numbered lines, by default the first 2000. Use offset (first "
        "line, from 1) and limit (lines) for more of a long file.",
        R"json({"type":"object","additionalProperties":false,"required":["file_path"],"properties":{
  "file_path":{"type":"string","description":"Absolute path, or relative to the working folder"},
  "offset":{"type":"integer","minimum":1,"description":"First line to read"},
  "limit":{"type":"integer","minimum":1,"description":"How many lines to read"}}})json"};
    return kSpec;
  }
  [[nodiscard]] ToolKind kind() const override { return ToolKind::read_only; }

  [[nodiscard]] ToolReply run(JsonObject const& input, ToolScope& scope) override {
    auto const file_path = input.string("file_path");
    if (!file_path) return bad_arguments(file_path.error());
    auto const offset = input.optional_integer("offset");
    if (!offset) return bad_arguments(offset.error());
    auto const limit = input.optional_integer("limit");
    if (!limit) return bad_arguments(limit.error());
    constexpr std::int64_t kLinesMax = std::int64_t{1} << 40U;
    std::int64_t const first = std::clamp<std::int64_t>(offset->value_or(1), 1, kLinesMax);
    std::int64_t const count =
        std::clamp<std::int64_t>(limit->value_or(kReadLinesDefault), 1, kLinesMax);
    std::string const path = resolve_path(*file_path, *scope.cwd);
    auto const fd = open_regular(path);
    if (!fd) return tool_error(fd.error().message);
    return read_lines(*fd, path, LineWindow{first, count}, first, scope);
  }

 private:
  static ToolReply read_lines(os::Fd const& fd, std::string const& path, LineWindow window,
                              std::int64_t first, ToolScope const& scope) {
    std::vector<char> buffer(std::size_t{64} << 10U);
    bool at_start = true;
    for (;;) {
      if (scope.stop->load(std::memory_order_relaxed)) return tool_error("Interrupted.");
      ssize_t const got = ::read(fd.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return tool_error(system_error(errno, "read", path).message);
      if (got == 0) break;
      std::string_view const bytes{buffer.data(), static_cast<std::size_t>(got)};
      if (at_start && bytes.substr(0, kBinaryProbeBytes).find('\0') != std::string_view::npos)
        return tool_error(fmt::format("{} is not a text file (it holds NUL bytes)", path));
      at_start = false;
      if (!window.take(bytes)) break;
    }
    if (!window.full()) window.finish();
    if (window.text().empty()) return empty_reply(path, window.lines_seen(), first);
    if (!window.full()) return tool_ok(window.text());
    return tool_ok(fmt::format("{}[there may be more: go on with offset {}]\n", window.text(),
                               window.lines_seen() + 1));
  }
  static ToolReply empty_reply(std::string const& path, std::int64_t lines, std::int64_t first) {
    if (lines == 0) return tool_ok(fmt::format("[{} is empty]", path));
    return tool_error(
        fmt::format("{} has only {} lines; offset {} is behind its end", path, lines, first));
  }
};

// The mode that the file has, or a new file's.
mode_t mode_of(std::string const& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777U : 0644;
}

Status write_in_place(std::string const& path, std::string_view content) {
  os::Fd const fd{
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0644)};
  if (!fd.valid()) return fail_errno("write", path);
  return os::write_all(fd.get(), content, path);
}

// Old or new content, never half, but not synced: durability of the workspace is the commit's.
Status replace_file(std::string const& path, std::string_view content) {
  std::string temporary = path + ".XXXXXX";
  mode_t const mode = mode_of(path);
  os::Fd fd{::mkostemp(temporary.data(), O_CLOEXEC)};
  // The folder may be closed to us while the file itself is not.
  if (!fd.valid()) return write_in_place(path, content);
  auto written = os::write_all(fd.get(), content, path);
  if (written && ::fchmod(fd.get(), mode) != 0) written = fail_errno("set the mode of", path);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0)
    written = fail_errno("replace", path);
  if (!written) ::unlink(temporary.c_str());
  return written;
}

// Follows links, so that they stay links; refuses what is there and is no regular file.
Result<std::string> writable_target(std::string const& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return path;
    return fail_errno("inspect", path);
  }
  if (S_ISDIR(info.st_mode)) return fail(ErrorCode::invalid_argument, "{} is a folder", path);
  if (!S_ISREG(info.st_mode))
    return fail(ErrorCode::invalid_argument, "{} is not a regular file", path);
  return os::real_path(path);
}

class WriteTool final : public Tool {
 public:
  [[nodiscard]] model::ToolSpec const& spec() const override {
    static model::ToolSpec const kSpec{
        "Write",
        "Writes a file, replacing what was there. Missing folders are made. Prefer Edit for "
        "changes to an existing file.",
        R"json({"type":"object","additionalProperties":false,"required":["file_path","content"],"properties":{
  "file_path":{"type":"string","description":"Absolute path, or relative to the working folder"},
  "content":{"type":"string","description":"The whole new content"}}})json"};
    return kSpec;
  }
  [[nodiscard]] ToolKind kind() const override { return ToolKind::with_effects; }

  [[nodiscard]] ToolReply run(JsonObject const& input, ToolScope& scope) override {
    auto const file_path = input.string("file_path");
    if (!file_path) return bad_arguments(file_path.error());
    auto const content = input.string("content");
    if (!content) return bad_arguments(content.error());
    std::string const path = resolve_path(*file_path, *scope.cwd);
    auto const target = writable_target(path);
    if (!target) return tool_error(target.error().message);
    bool const existed = os::exists(*target);
    std::string const folder = std::filesystem::path{*target}.parent_path().string();
    if (auto const made = os::make_folders(folder); !made) return tool_error(made.error().message);
    auto const written = replace_file(*target, *content);
    if (!written) return tool_error(written.error().message);
    return tool_ok(fmt::format("{} {} ({} bytes).",
                               existed ? "Updated the file" : "Created the file", path,
                               content->size()));
  }
};

std::size_t count_matches(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + part.size()))
    ++count;
  return count;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (;;) {
    auto const at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

// The lines around the first change, numbered, so that the model sees what it did.
std::string snippet(std::string_view text, std::size_t at, std::size_t length) {
  constexpr int kContextLines = 3;
  constexpr std::size_t kSnippetBytesMax = 4000;
  std::size_t begin = at;
  for (int i = 0; i <= kContextLines && begin != 0; ++i) {
    auto const newline = text.rfind('\n', begin - 1);
    begin = newline == std::string_view::npos ? 0 : newline;
  }
  if (begin != 0) ++begin;
  std::size_t end = std::min(at + length, text.size());
  for (int i = 0; i <= kContextLines && end < text.size(); ++i) {
    auto const newline = text.find('\n', end + (i == 0 ? 0 : 1));
    end = newline == std::string_view::npos ? text.size() : newline;
  }
  auto number =
      std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(begin), '\n') + 1;
  std::string out;
  for (std::string_view const line : split(text.substr(begin, end - begin), '\n')) {
    if (out.size() > kSnippetBytesMax) return out + "[...]\n";
    out += fmt::format("{:>6}\t{}\n", number++, to_utf8(utf8_prefix(line, kReadLineBytesMax)));
  }
  return out;
}

class EditTool final : public Tool {
 public:
  [[nodiscard]] model::ToolSpec const& spec() const override {
    static model::ToolSpec const kSpec{
        "Edit",
        "Replaces old_string by new_string in a file. old_string must occur exactly once, unless "
        "replace_all is true; give it enough surrounding lines, without Read's line numbers.",
        R"json({"type":"object","additionalProperties":false,"required":["file_path","old_string","new_string"],"properties":{
  "file_path":{"type":"string","description":"Absolute path, or relative to the working folder"},
  "old_string":{"type":"string","description":"The exact text to replace"},
  "new_string":{"type":"string","description":"What to put in its place"},
  "replace_all":{"type":"boolean","description":"Replace every occurrence (default false)"}}})json"};
    return kSpec;
  }
  [[nodiscard]] ToolKind kind() const override { return ToolKind::with_effects; }

  [[nodiscard]] ToolReply run(JsonObject const& input, ToolScope& scope) override {
    auto const file_path = input.string("file_path");
    if (!file_path) return bad_arguments(file_path.error());
    auto const from = input.string("old_string");
    if (!from) return bad_arguments(from.error());
    auto const to = input.string("new_string");
    if (!to) return bad_arguments(to.error());
    auto const all = input.optional_boolean("replace_all");
    if (!all) return bad_arguments(all.error());
    if (from->empty())
      return tool_error("old_string is empty; use Write to make a file or to replace it whole.");
    if (*from == *to) return tool_error("old_string and new_string are the same; nothing to do.");
    return edit(resolve_path(*file_path, *scope.cwd), *from, *to, all->value_or(false));
  }

 private:
  static ToolReply edit(std::string const& path, std::string const& from, std::string const& to,
                        bool every) {
    auto const opened = open_regular(path);
    if (!opened) return tool_error(opened.error().message);
    auto const text = os::read_all(opened->get(), path, kEditBytesMax);
    if (!text) return tool_error(text.error().message);
    std::size_t const matches = count_matches(*text, from);
    if (matches == 0)
      return tool_error(fmt::format(
          "String to replace not found in {}. It must match exactly, with indentation{}.", path,
          text->find("\r\n") == std::string::npos ? "" : "; the file has CRLF line ends"));
    if (matches > 1 && !every)
      return tool_error(fmt::format(
          "Found {} matches of the string to replace in {}, but replace_all is false. Give more "
          "surrounding text to make it unique, or set replace_all.",
          matches, path));
    auto const target = writable_target(path);
    if (!target) return tool_error(target.error().message);
    std::size_t const at = text->find(from);
    std::string const after = replaced(*text, from, to);
    if (auto const written = replace_file(*target, after); !written)
      return tool_error(written.error().message);
    return tool_ok(
        fmt::format("The file {} has been updated ({} replaced). Around the {}change:\n{}", path,
                    matches, matches > 1 ? "first " : "", snippet(after, at, to.size())));
  }
};

}  // namespace

std::unique_ptr<Tool> make_read_tool() {
  return std::make_unique<ReadTool>();
}
std::unique_ptr<Tool> make_write_tool() {
  return std::make_unique<WriteTool>();
}
std::unique_ptr<Tool> make_edit_tool() {
  return std::make_unique<EditTool>();
}

}  // namespace drover::agent
