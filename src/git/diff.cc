#include "git/diff.h"

#include <algorithm>

#include "base/text.h"
#include "git/index_file.h"
#include "git/objects.h"
#include "git/repository_impl.h"
#include "git/tree_delta.h"

namespace drover::git {

namespace {

Result<TreeHandle> load_tree(Repository::Impl const& impl, Oid const& oid) {
  if (oid.is_zero()) return TreeHandle{};
  git_tree* tree = nullptr;
  git_oid const wanted = to_git(oid);
  if (int const status = git_tree_lookup(&tree, impl.handle.get(), &wanted); status < 0)
    return fail_git(status, "read the tree", oid.hex());
  return TreeHandle{tree};
}

TreeSide side_of(git_diff_file const& file) {
  return {.oid = from_git(file.id), .mode = file.mode};
}

// Appends lines up to a bound; what does not fit is left out whole.
class BoundedText {
 public:
  explicit BoundedText(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  void add(std::string_view piece) {
    if (full_) return;
    if (text_.size() + piece.size() > bytes_max_)
      full_ = true;
    else
      text_ += piece;
  }
  [[nodiscard]] bool full() const { return full_; }
  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  std::size_t bytes_max_;
  std::string text_;
  bool full_ = false;
};

struct Sides {
  std::string before, after;
  bool too_large = false;
};

Result<Sides> load_sides(Repository::Impl const& impl, TreeDelta const& delta) {
  Sides sides;
  auto const load = [&](TreeSide const& side, std::string& out) -> Status {
    if (side.mode == 0) return {};
    if (side.mode == kModeGitlink) {
      out = fmt::format("Subproject commit {}\n", side.oid.hex());
      return {};
    }
    auto content = read_object(impl.odb.get(), side.oid, kDiffFileBytesMax);
    if (!content && content.error().code == ErrorCode::too_large) {
      sides.too_large = true;
      return {};
    }
    if (!content) return std::unexpected(std::move(content).error());
    out = std::move(*content);
    return {};
  };
  DROVER_TRY(load(delta.before, sides.before));
  DROVER_TRY(load(delta.after, sides.after));
  return sides;
}

struct LineWriter {
  FileChange* change = nullptr;
  BoundedText* out = nullptr;  // null: count only
  std::string header;          // "--- a\n+++ b\n", once, before the first hunk
};

int on_binary(git_diff_delta const*, git_diff_binary const*, void* payload) {
  static_cast<LineWriter*>(payload)->change->binary = true;
  return 0;
}

int on_hunk(git_diff_delta const*, git_diff_hunk const* hunk, void* payload) {
  auto& writer = *static_cast<LineWriter*>(payload);
  if (writer.out == nullptr) return 0;
  writer.out->add(writer.header);
  writer.header.clear();
  writer.out->add({hunk->header, hunk->header_len});
  return 0;
}

int on_line(git_diff_delta const*, git_diff_hunk const*, git_diff_line const* line, void* payload) {
  auto& writer = *static_cast<LineWriter*>(payload);
  if (line->origin == GIT_DIFF_LINE_ADDITION) ++writer.change->insertions;
  if (line->origin == GIT_DIFF_LINE_DELETION) ++writer.change->deletions;
  if (writer.out == nullptr || writer.out->full()) return 0;
  bool const has_sign = line->origin == GIT_DIFF_LINE_ADDITION ||
                        line->origin == GIT_DIFF_LINE_DELETION ||
                        line->origin == GIT_DIFF_LINE_CONTEXT;
  std::string text;
  if (has_sign) text += line->origin;
  text.append(line->content, line->content_len);
  writer.out->add(text);
  return 0;
}

// A name with quotes, backslashes, controls or bytes above ASCII is shown in C quotes, as git does.
std::string quote_path(std::string_view prefix, std::string_view path) {
  bool plain = true;
  std::string quoted;
  for (char const c : path) {
    auto const byte = static_cast<unsigned char>(c);
    static constexpr std::string_view kNames = "abtnvfr";  // from \a (7) to \r (13)
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (byte >= 7 && byte <= 13) {
      quoted += {'\\', kNames[byte - 7U]};
    } else if (byte < 0x20 || byte >= 0x7f) {
      quoted += fmt::format("\\{:03o}", byte);
    } else {
      quoted += c;
      continue;
    }
    plain = false;
  }
  if (plain) return fmt::format("{}{}", prefix, path);
  return fmt::format("\"{}{}\"", prefix, quoted);
}

std::string file_header(TreeDelta const& delta) {
  std::string text =
      fmt::format("diff --git {} {}\n", quote_path("a/", delta.path), quote_path("b/", delta.path));
  bool const same_mode = delta.before.mode == delta.after.mode;
  if (delta.before.mode == 0) {
    text += fmt::format("new file mode {:06o}\n", delta.after.mode);
  } else if (delta.after.mode == 0) {
    text += fmt::format("deleted file mode {:06o}\n", delta.before.mode);
  } else if (!same_mode) {
    text += fmt::format("old mode {:06o}\nnew mode {:06o}\n", delta.before.mode, delta.after.mode);
  }
  if (delta.before.oid == delta.after.oid) return text;
  text += fmt::format("index {}..{}", delta.before.oid.hex(), delta.after.oid.hex());
  text += same_mode ? fmt::format(" {:06o}\n", delta.after.mode) : "\n";
  return text;
}

FileChange::Kind kind_of(TreeDelta const& delta) {
  if (delta.before.mode == 0) return FileChange::Kind::added;
  if (delta.after.mode == 0) return FileChange::Kind::deleted;
  constexpr std::uint32_t kTypeMask = 0170000;
  bool const same_type = (delta.before.mode & kTypeMask) == (delta.after.mode & kTypeMask);
  return same_type ? FileChange::Kind::modified : FileChange::Kind::type_changed;
}

Result<FileChange> compare(Repository::Impl const& impl, TreeDelta const& delta, BoundedText* out,
                           unsigned context) {
  FileChange change{.path = delta.path, .kind = kind_of(delta)};
  if (out != nullptr) out->add(file_header(delta));
  if (delta.before.oid == delta.after.oid) return change;
  auto const sides = load_sides(impl, delta);
  if (!sides) return std::unexpected(sides.error());
  std::string const left = delta.before.mode == 0 ? "/dev/null" : quote_path("a/", delta.path);
  std::string const right = delta.after.mode == 0 ? "/dev/null" : quote_path("b/", delta.path);
  if (sides->too_large) {
    change.binary = true;
  } else {
    LineWriter writer{
        .change = &change, .out = out, .header = fmt::format("--- {}\n+++ {}\n", left, right)};
    git_diff_options options{};
    git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
    options.context_lines = context;
    // Without a repository libgit2 looks at no attributes.
    int const status = git_diff_buffers(sides->before.data(), sides->before.size(), nullptr,
                                        sides->after.data(), sides->after.size(), nullptr, &options,
                                        nullptr, on_binary, on_hunk, on_line, &writer);
    if (status < 0) return fail_git(status, "compare", printable(delta.path));
  }
  if (change.binary && out != nullptr)
    out->add(fmt::format("Binary files {} and {} differ\n", left, right));
  return change;
}

}  // namespace

std::string_view to_string(FileChange::Kind kind) {
  switch (kind) {
    case FileChange::Kind::added:
      return "added";
    case FileChange::Kind::modified:
      return "modified";
    case FileChange::Kind::deleted:
      return "deleted";
    case FileChange::Kind::type_changed:
      return "type_changed";
  }
  return "unknown";
}

Result<std::vector<TreeDelta>> tree_deltas(Repository::Impl const& impl, Oid const& from_tree,
                                           Oid const& to_tree) {
  if (from_tree == to_tree) return std::vector<TreeDelta>{};
  auto const before = load_tree(impl, from_tree);
  if (!before) return std::unexpected(before.error());
  auto const after = load_tree(impl, to_tree);
  if (!after) return std::unexpected(after.error());
  git_diff_options options{};
  git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
  options.flags = GIT_DIFF_INCLUDE_TYPECHANGE | GIT_DIFF_SKIP_BINARY_CHECK;
  git_diff* raw = nullptr;
  int const status =
      git_diff_tree_to_tree(&raw, impl.handle.get(), before->get(), after->get(), &options);
  if (status < 0) return fail_git(status, "compare trees of", impl.work_tree);
  DiffHandle const handle{raw};
  std::vector<TreeDelta> deltas;
  std::size_t const count = git_diff_num_deltas(raw);
  deltas.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    git_diff_delta const* const delta = git_diff_get_delta(raw, i);
    bool const added = delta->status == GIT_DELTA_ADDED;
    deltas.push_back(
        {.path = added ? delta->new_file.path : delta->old_file.path,
         .before = added ? TreeSide{} : side_of(delta->old_file),
         .after = delta->status == GIT_DELTA_DELETED ? TreeSide{} : side_of(delta->new_file)});
  }
  std::ranges::sort(deltas, {}, &TreeDelta::path);
  return deltas;
}

Result<std::vector<FileChange>> diff_trees(Repository::Impl const& impl, Oid const& from_tree,
                                           Oid const& to_tree) {
  auto const deltas = tree_deltas(impl, from_tree, to_tree);
  if (!deltas) return std::unexpected(deltas.error());
  std::vector<FileChange> changes;
  changes.reserve(deltas->size());
  for (auto const& delta : *deltas) {
    auto change = compare(impl, delta, nullptr, 0);
    if (!change) return std::unexpected(std::move(change).error());
    changes.push_back(std::move(*change));
  }
  return changes;
}

Result<DiffText> diff(Repository const& repository, Oid const& from, Oid const& to,
                      DiffOptions const& options) {
  auto const& impl = repository.impl();
  OwnerScope const scope{impl};
  Oid from_tree;
  if (!from.is_zero()) {
    auto const tree = tree_of(impl, from);
    if (!tree) return std::unexpected(tree.error());
    from_tree = *tree;
  }
  auto const to_tree = tree_of(impl, to);
  if (!to_tree) return std::unexpected(to_tree.error());
  auto const deltas = tree_deltas(impl, from_tree, *to_tree);
  if (!deltas) return std::unexpected(deltas.error());
  DiffText result;
  BoundedText out{options.bytes_max};
  for (auto const& delta : *deltas) {
    auto change = compare(impl, delta, &out, options.context);
    if (!change) return std::unexpected(std::move(change).error());
    result.insertions += change->insertions;
    result.deletions += change->deletions;
    result.files.push_back(std::move(*change));
  }
  result.truncated = out.full();
  result.text = std::move(out).take();
  return result;
}

}  // namespace drover::git
