#include "git/commit_object.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace drover::git {

namespace {

// git's crud: what a name or an address may not hold or begin with.
std::string clean_identity_part(std::string_view part) {
  std::string out;
  for (char const c : to_utf8(part)) {
    bool const control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (!control && c != '<' && c != '>') out += c;
  }
  static constexpr std::string_view kCrud = " .,:;\"\\'";
  std::size_t const first = out.find_first_not_of(kCrud);
  if (first == std::string::npos) return {};
  return out.substr(first, out.find_last_not_of(kCrud) - first + 1);
}

bool is_trailer_key(std::string_view key) {
  return !key.empty() &&
         std::ranges::all_of(key, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; });
}

std::string one_line(std::string_view text) {
  std::string out;
  for (char const c : to_utf8(text)) {
    bool const control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    out += control ? ' ' : c;
  }
  return std::string{trim(out)};
}

// A line that starts with --- would end the message for `git interpret-trailers`.
std::string clean_body(std::string_view body) {
  std::string out;
  for (std::string_view line : split(body, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("---")) out += ' ';
    for (char const c : line) {
      if (c != '\0') out += c;
    }
    out += '\n';
  }
  return std::string{trim(to_utf8(out))};
}

}  // namespace

Result<std::string> format_identity(Identity const& identity, WallTime when) {
  std::string const name = clean_identity_part(identity.name);
  if (name.empty())
    return fail_next(ErrorCode::invalid_argument, "a commit needs a name for its author",
                     "set one with `git config user.name`");
  auto const seconds =
      std::chrono::duration_cast<std::chrono::seconds>(when.time_since_epoch()).count();
  return fmt::format("{} <{}> {} +0000", name, clean_identity_part(identity.email),
                     std::max<long>(seconds, 0));
}

std::string clean_subject(std::string_view subject) {
  subject = trim(subject);
  std::string const line = one_line(subject.substr(0, subject.find('\n')));
  return std::string{utf8_prefix(line, kSubjectBytesMax)};
}

Result<std::string> format_message(Message const& message) {
  std::string text = clean_subject(message.subject);
  if (text.empty()) return fail(ErrorCode::invalid_argument, "a commit needs a subject");
  text += '\n';
  if (message.body.size() > kBodyBytesMax)
    return fail(ErrorCode::too_large, "the body of a commit message is over {} bytes",
                kBodyBytesMax);
  std::string const body = clean_body(message.body);
  if (!body.empty()) text += "\n" + body + "\n";
  if (message.trailers.empty()) return text;
  text += '\n';
  for (auto const& [key, value] : message.trailers) {
    if (!is_trailer_key(key))
      return fail(ErrorCode::invalid_argument, "'{}' is no key of a trailer", printable(key));
    text += fmt::format("{}: {}\n", key, one_line(value));
  }
  return text;
}

Result<std::string> format_commit(CommitParts const& parts) {
  auto const author = format_identity(parts.author, parts.when);
  if (!author) return author;
  auto const committer = format_identity(parts.committer, parts.when);
  if (!committer) return committer;
  std::string text = fmt::format("tree {}\n", parts.tree.hex());
  for (auto const& parent : parts.parents)
    text += fmt::format("parent {}\n", parent.hex());
  text += fmt::format("author {}\ncommitter {}\n\n", *author, *committer);
  return text + parts.message;
}

}  // namespace drover::git
