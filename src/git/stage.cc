#include "git/stage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <map>
#include <optional>
#include <variant>

#include "base/text.h"
#include "git/objects.h"
#include "os/files.h"

namespace drover::git {

namespace {

struct ReadFile {
  std::string content;
  StatData stat;
  // The content may be that of a file outside: it may be compared, never stored.
  bool hard_linked = false;
};

// The content of a path, or why it may not be read. `mode` is what the walk saw.
using ReadOutcome = std::variant<ReadFile, SkipReason>;

Result<ReadOutcome> read_link(int root_fd, std::string const& path) {
  std::size_t const slash = path.rfind('/');
  std::string const name = slash == std::string::npos ? path : path.substr(slash + 1);
  auto const folder = os::open_beneath(
      root_fd, slash == std::string::npos ? "." : path.substr(0, slash), O_RDONLY | O_DIRECTORY);
  struct stat info{};
  if (!folder || ::fstatat(folder->get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISLNK(info.st_mode))
    return SkipReason::changed_while_reading;
  std::array<char, PATH_MAX> target{};
  ssize_t const size = ::readlinkat(folder->get(), name.c_str(), target.data(), target.size());
  if (size < 0 || static_cast<std::size_t>(size) >= target.size()) return SkipReason::unreadable;
  return ReadFile{.content = {target.data(), static_cast<std::size_t>(size)},
                  .stat = StatData::of(info)};
}

enum class HardLinks { refuse, compare };

Result<ReadOutcome> read_regular(int root_fd, std::string const& path, std::size_t bytes_max,
                                 HardLinks hard_links) {
  auto const fd = os::open_beneath(root_fd, path, O_RDONLY | O_NOFOLLOW);
  if (!fd) {
    bool const denied = fd.error().code == ErrorCode::forbidden;
    return denied ? SkipReason::unreadable : SkipReason::changed_while_reading;
  }
  struct stat before{};
  if (::fstat(fd->get(), &before) != 0) return SkipReason::unreadable;
  if (!S_ISREG(before.st_mode)) return SkipReason::changed_while_reading;
  bool const hard_linked = before.st_nlink > 1;
  if (hard_linked && hard_links == HardLinks::refuse) return SkipReason::hard_link;
  if (static_cast<std::size_t>(before.st_size) > bytes_max)
    return fail_next(ErrorCode::too_large,
                     fmt::format("{} has {} bytes; the limit for one file is {}", printable(path),
                                 before.st_size, bytes_max),
                     "remove the file, or add it to .gitignore");
  auto content = os::read_all(fd->get(), path, bytes_max);
  if (!content && content.error().code == ErrorCode::too_large)
    return SkipReason::changed_while_reading;
  if (!content) return SkipReason::unreadable;
  struct stat after{};
  if (::fstat(fd->get(), &after) != 0 ||
      content->size() != static_cast<std::size_t>(before.st_size) ||
      !StatData::of(before).same_file(StatData::of(after)))
    return SkipReason::changed_while_reading;
  return ReadFile{std::move(*content), StatData::of(before), hard_linked};
}

struct Hashed {
  Oid oid;
  StatData stat;
  std::size_t bytes = 0;
};
using HashOutcome = std::variant<Hashed, SkipReason>;

// Reads, converts and names the files that the walk found.
class Hasher {
 public:
  Hasher(Repository::Impl const& impl, StageLimits const& limits)
      : impl_(impl), limits_(limits), attributes_(impl) {}

  Result<HashOutcome> hash(Found const& found, IndexEntry const* indexed, BlobSink const& sink) {
    auto read = found.mode == kModeLink
                    ? read_link(impl_.root.get(), found.path)
                    : read_regular(impl_.root.get(), found.path, limits_.file_bytes_max,
                                   indexed == nullptr ? HardLinks::refuse : HardLinks::compare);
    if (!read) return std::unexpected(std::move(read).error());
    if (auto const* reason = std::get_if<SkipReason>(&*read)) return *reason;
    auto& file = std::get<ReadFile>(*read);
    if (found.mode != kModeLink) {
      auto converted = convert(found, indexed, std::move(file.content));
      if (!converted) return std::unexpected(std::move(converted).error());
      if (auto const* reason = std::get_if<SkipReason>(&*converted)) return *reason;
      file.content = std::move(std::get<std::string>(*converted));
    }
    auto const oid =
        file.hard_linked ? hash_object(GIT_OBJECT_BLOB, file.content) : sink(file.content);
    if (!oid) return std::unexpected(oid.error());
    if (file.hard_linked && *oid != indexed->oid) return SkipReason::hard_link;
    return Hashed{*oid, file.stat, file.content.size()};
  }

 private:
  Result<std::variant<std::string, SkipReason>> convert(Found const& found,
                                                        IndexEntry const* indexed,
                                                        std::string content) {
    auto const attributes = attributes_.of(found.path);
    if (!attributes) return std::unexpected(attributes.error());
    if (needs_external_filter(*attributes)) return SkipReason::external_filter;
    if (needs_reencoding(*attributes)) return SkipReason::unsupported_encoding;
    Conversion const conversion = conversion_for(*attributes, impl_.convert);
    std::string old;
    if (indexed != nullptr && depends_on_indexed(conversion) &&
        content.find('\r') != std::string::npos && (indexed->mode & kModeFile) == kModeFile) {
      auto blob = read_object(impl_.odb.get(), indexed->oid, limits_.file_bytes_max);
      if (!blob) return std::unexpected(std::move(blob).error());
      old = std::move(*blob);
    }
    return to_repository(std::move(content), conversion, old);
  }

  Repository::Impl const& impl_;
  StageLimits const& limits_;
  AttributeReader attributes_;
};

Result<ScanResult> scan_work_tree(Repository::Impl const& impl, IndexFile const& index,
                                  StageRequest const& request) {
  ScanRequest scan_request{.root_fd = impl.root.get(),
                           .index = &index,
                           .excluded = request.excluded,
                           .ignores = {},
                           .trust_executable_bit = impl.trust_executable_bit,
                           .time_max = request.time_max};
  for (auto const& path : {impl.common_folder + "/info/exclude", impl.excludes_file}) {
    if (path.empty()) continue;
    auto text = read_small_file(path);
    if (!text) return std::unexpected(std::move(text).error());
    scan_request.ignores.push_back(IgnoreRules::parse(*text));
  }
  return scan(scan_request);
}

// Counts what a commit would take in, as it is read, so that memory and disk stay bounded.
class LimitMeter {
 public:
  explicit LimitMeter(StageLimits const& limits) : limits_(limits) {}
  Status add(std::size_t bytes) {
    bytes_ += bytes;
    if (++files_ > limits_.files_max)
      return fail_next(
          ErrorCode::too_large,
          fmt::format("the change has over {} files, which is the limit", limits_.files_max),
          "add what is generated to .gitignore, or raise the limit");
    if (bytes_ > limits_.total_bytes_max)
      return fail_next(
          ErrorCode::too_large,
          fmt::format("the changed files have over {} bytes together, which is the limit",
                      limits_.total_bytes_max),
          "add what is generated to .gitignore, or raise the limit");
    return {};
  }

 private:
  StageLimits const& limits_;
  std::size_t files_ = 0;
  std::size_t bytes_ = 0;
};

struct Edit {
  std::string_view path;            // of the Found
  std::optional<IndexEntry> entry;  // none: deleted
};

// Old entries and edits, both sorted, into new entries.
void apply_edits(IndexFile& index, std::vector<Edit> const& edits) {
  std::vector<IndexEntry> merged;
  auto const& old = index.entries();
  merged.reserve(old.size() + edits.size());
  std::size_t at = 0;
  for (auto const& edit : edits) {
    while (at < old.size() && old[at].path < edit.path)
      merged.push_back(old[at++]);
    if (at < old.size() && old[at].path == edit.path) ++at;
    if (edit.entry) merged.push_back(*edit.entry);
  }
  merged.insert(merged.end(), old.begin() + static_cast<std::ptrdiff_t>(at), old.end());
  index.replace_entries(std::move(merged));
}

class TreeBuilder {
 public:
  TreeBuilder(IndexFile const& index, TreeSink const& sink)
      : entries_(index.entries()), sink_(sink) {}

  // Fills in `node` for the entries from `first` that start with `prefix`.
  Status build(CacheTree& node, std::string_view prefix, std::size_t first, std::size_t& end) {
    if (node.entries >= 0) {
      end = first + static_cast<std::size_t>(node.entries);
      if (covers(prefix, first, end)) return {};
      node.entries = -1;  // a cache that does not fit its index is computed anew
    }
    std::string content;
    std::vector<CacheTree> children;
    bool complete = true;
    std::size_t at = first;
    while (at < entries_.size() && entries_[at].path.starts_with(prefix)) {
      std::string_view const rest = entries_[at].path.substr(prefix.size());
      std::size_t const slash = rest.find('/');
      if (slash == std::string_view::npos) {
        if (entries_[at].intent_to_add())
          complete = false;
        else
          append(content, entries_[at].mode, rest, entries_[at].oid);
        ++at;
        continue;
      }
      CacheTree child = take_child(node, rest.substr(0, slash));
      std::size_t child_end = at;
      DROVER_TRY(
          build(child, entries_[at].path.substr(0, prefix.size() + slash + 1), at, child_end));
      if (!child.oid.is_zero()) append(content, kModeTree, child.name, child.oid);
      complete = complete && child.entries >= 0;
      children.push_back(std::move(child));
      at = child_end;
    }
    end = at;
    node.children = std::move(children);
    std::ranges::sort(node.children, shorter_then_less, &CacheTree::name);
    node.oid = {};
    node.entries = complete ? static_cast<std::int64_t>(end - first) : -1;
    // A folder with nothing but entries that are not added yet has no tree.
    if (content.empty() && !prefix.empty()) return {};
    auto const oid = sink_(content);
    if (!oid) return std::unexpected(oid.error());
    node.oid = *oid;
    return {};
  }

 private:
  [[nodiscard]] bool covers(std::string_view prefix, std::size_t first, std::size_t end) const {
    if (end > entries_.size()) return false;
    if (first == end) return prefix.empty();
    return entries_[first].path.starts_with(prefix) && entries_[end - 1].path.starts_with(prefix) &&
           (end == entries_.size() || !entries_[end].path.starts_with(prefix));
  }

  static CacheTree take_child(CacheTree& node, std::string_view name) {
    if (CacheTree* const known = node.child(name)) return std::move(*known);
    return CacheTree{.name = std::string{name}};
  }

  static void append(std::string& content, std::uint32_t mode, std::string_view name,
                     Oid const& oid) {
    content += fmt::format("{:o} ", mode);
    content += name;
    content += '\0';
    content += oid.raw();
  }

  std::vector<IndexEntry> const& entries_;
  TreeSink const& sink_;
};

}  // namespace

struct AttributeReader::State {
  explicit State(Repository::Impl const& repository) : impl(repository) {}
  Repository::Impl const& impl;
  std::map<std::string, AttributeRules, std::less<>> folders;  // by prefix: "", "a/", "a/b/"
  AttributeRules info, user;
  bool loaded = false;

  Result<AttributeRules const*> folder(std::string const& prefix) {
    if (auto const known = folders.find(prefix); known != folders.end()) return &known->second;
    auto text = read_rules_beneath(impl.root.get(), prefix + ".gitattributes");
    if (!text) return std::unexpected(std::move(text).error());
    auto const macros =
        prefix.empty() ? AttributeRules::Macros::allowed : AttributeRules::Macros::refused;
    return &folders.emplace(prefix, AttributeRules::parse(*text, macros)).first->second;
  }

  Status load() {
    if (loaded) return {};
    auto text = read_small_file(impl.common_folder + "/info/attributes");
    if (!text) return std::unexpected(std::move(text).error());
    info = AttributeRules::parse(*text, AttributeRules::Macros::allowed);
    if (!impl.attributes_file.empty()) {
      text = read_small_file(impl.attributes_file);
      if (!text) return std::unexpected(std::move(text).error());
      user = AttributeRules::parse(*text, AttributeRules::Macros::allowed);
    }
    loaded = true;
    return {};
  }
};

AttributeReader::AttributeReader(Repository::Impl const& impl)
    : state_(std::make_unique<State>(impl)) {}
AttributeReader::~AttributeReader() = default;

Result<PathAttributes> AttributeReader::of(std::string const& path) {
  DROVER_TRY(state_->load());
  auto const top = state_->folder("");
  if (!top) return std::unexpected(top.error());
  AttributeLookup lookup;
  lookup.add_macros(state_->info);
  lookup.add_macros(**top);
  lookup.add_macros(state_->user);
  lookup.apply(state_->info, path);
  for (std::size_t slash = path.rfind('/'); slash != std::string::npos;
       slash = slash == 0 ? std::string::npos : path.rfind('/', slash - 1)) {
    auto const rules = state_->folder(path.substr(0, slash + 1));
    if (!rules) return std::unexpected(rules.error());
    lookup.apply(**rules, std::string_view{path}.substr(slash + 1));
  }
  lookup.apply(**top, path);
  lookup.apply(state_->user, path);
  return std::move(lookup).take();
}

Result<Staged> stage_all(Repository::Impl const& impl, IndexFile& index,
                         StageRequest const& request, BlobSink const& sink) {
  auto scanned = scan_work_tree(impl, index, request);
  if (!scanned) return std::unexpected(std::move(scanned).error());
  Staged staged{.changed = {},
                .skipped = std::move(scanned->skipped),
                .refreshed = 0,
                .odd_attribute_files = std::move(scanned->odd_attribute_files)};
  for (std::size_t const at : scanned->distrusted)
    index.mutable_entries()[at].stat = {};

  Hasher hasher{impl, request.limits};
  LimitMeter meter{request.limits};
  std::vector<Edit> edits;
  for (auto const& found : scanned->found) {
    if (found.kind == FoundKind::deleted) {
      DROVER_TRY(meter.add(0));
      edits.push_back({found.path, std::nullopt});
      staged.changed.push_back(found.path);
      continue;
    }
    bool const tracked = found.kind == FoundKind::suspect;
    IndexEntry* const indexed = tracked ? &index.mutable_entries()[found.index_at] : nullptr;
    auto hashed = hasher.hash(found, indexed, sink);
    if (!hashed) return std::unexpected(std::move(hashed).error());
    if (auto const* reason = std::get_if<SkipReason>(&*hashed)) {
      staged.skipped.push_back({found.path, *reason});
      if (indexed != nullptr) indexed->stat = {};
      continue;
    }
    auto const& file = std::get<Hashed>(*hashed);
    bool const same = indexed != nullptr && indexed->oid == file.oid &&
                      indexed->mode == found.mode && !indexed->intent_to_add();
    if (same) {
      if (!indexed->stat.same_file(file.stat)) ++staged.refreshed;
      indexed->stat = file.stat;
      continue;
    }
    DROVER_TRY(meter.add(file.bytes));
    IndexEntry entry{.path = tracked ? indexed->path : index.intern(found.path),
                     .oid = file.oid,
                     .stat = file.stat,
                     .mode = found.mode};
    edits.push_back({found.path, entry});
    staged.changed.push_back(found.path);
  }
  std::ranges::sort(staged.skipped);
  apply_edits(index, edits);
  for (auto const& path : staged.changed)
    index.tree().invalidate(path);
  return staged;
}

Result<Staged> look(Repository::Impl const& impl, IndexFile const& index,
                    StageRequest const& request) {
  auto scanned = scan_work_tree(impl, index, request);
  if (!scanned) return std::unexpected(std::move(scanned).error());
  Staged staged{.changed = {},
                .skipped = std::move(scanned->skipped),
                .refreshed = 0,
                .odd_attribute_files = std::move(scanned->odd_attribute_files)};
  Hasher hasher{impl, request.limits};
  BlobSink const only_name = [](std::string_view content) {
    return hash_object(GIT_OBJECT_BLOB, content);
  };
  for (auto const& found : scanned->found) {
    if (found.kind == FoundKind::suspect) {
      IndexEntry const& indexed = index.entries()[found.index_at];
      bool const must_read = indexed.mode == found.mode && !indexed.intent_to_add();
      if (must_read) {
        auto hashed = hasher.hash(found, &indexed, only_name);
        if (!hashed) return std::unexpected(std::move(hashed).error());
        if (auto const* reason = std::get_if<SkipReason>(&*hashed)) {
          staged.skipped.push_back({found.path, *reason});
          continue;
        }
        if (std::get<Hashed>(*hashed).oid == indexed.oid) continue;
      }
    }
    staged.changed.push_back(found.path);
  }
  std::ranges::sort(staged.skipped);
  return staged;
}

Result<Oid> build_tree(IndexFile& index, TreeSink const& sink) {
  std::size_t end = 0;
  DROVER_TRY((TreeBuilder{index, sink}.build(index.tree(), "", 0, end)));
  return index.tree().oid;
}

}  // namespace drover::git
