#include "git/checkout.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>

#include "base/log.h"
#include "base/text.h"
#include "git/objects.h"
#include "git/scan.h"
#include "git/stage.h"
#include "os/files.h"

namespace drover::git {

namespace {

constexpr std::size_t kCheckoutFileBytesMax = std::size_t{1} << 30U;

struct SplitPath {
  std::string folder;  // "." at the top
  std::string name;
};

SplitPath split_path(std::string const& path) {
  std::size_t const slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// A tree object may hold any name; one that leads out or into a .git is refused.
bool is_safe_path(std::string const& path) {
  if (path.empty() || path.front() == '/' || path.size() > kPathBytesMax) return false;
  for (std::string_view const part : split(path, '/')) {
    if (part.empty() || part == "." || part == ".." || is_dot_git(part)) return false;
  }
  return true;
}

class Writer {
 public:
  explicit Writer(Repository::Impl const& impl) : impl_(impl), attributes_(impl) {}

  // The lstat of what is there afterwards.
  Result<StatData> write(std::string const& path, TreeSide const& side) {
    auto const [folder_path, name] = split_path(path);
    auto folder = make_folder(folder_path);
    if (!folder) return std::unexpected(std::move(folder).error());
    if (side.mode == kModeGitlink) return write_gitlink(folder->get(), path, name);
    auto content = read_object(impl_.odb.get(), side.oid, kCheckoutFileBytesMax);
    if (!content) return std::unexpected(std::move(content).error());
    std::string const temporary = fmt::format(".drover-checkout-{}", ::getpid());
    ::unlinkat(folder->get(), temporary.c_str(), 0);
    if (side.mode == kModeLink) {
      if (::symlinkat(content->c_str(), folder->get(), temporary.c_str()) != 0)
        return fail_errno("make the link", path);
    } else {
      DROVER_TRY(write_regular(folder->get(), temporary, path, side, std::move(*content)));
    }
    if (::renameat(folder->get(), temporary.c_str(), folder->get(), name.c_str()) != 0) {
      auto error = fail_errno("replace", path);
      ::unlinkat(folder->get(), temporary.c_str(), 0);
      return error;
    }
    return lstat_in(folder->get(), path, name);
  }

  // Also removes folders that become empty.
  Status remove(std::string const& path) {
    auto const [folder_path, name] = split_path(path);
    {
      auto const folder = os::open_beneath(impl_.root.get(), folder_path, O_RDONLY | O_DIRECTORY);
      if (!folder) {
        if (folder.error().code == ErrorCode::not_found) return {};
        return std::unexpected(folder.error());
      }
      if (::unlinkat(folder->get(), name.c_str(), 0) != 0 && errno != ENOENT && errno != EISDIR &&
          errno != EPERM)
        return fail_errno("remove", path);
      // A submodule's folder stays unless it is empty.
      ::unlinkat(folder->get(), name.c_str(), AT_REMOVEDIR);
    }
    remove_empty_folders(folder_path);
    return {};
  }

 private:
  void remove_empty_folders(std::string path) {
    while (path != ".") {
      auto const [parent_path, name] = split_path(path);
      auto const parent = os::open_beneath(impl_.root.get(), parent_path, O_RDONLY | O_DIRECTORY);
      if (!parent || ::unlinkat(parent->get(), name.c_str(), AT_REMOVEDIR) != 0) return;
      path = parent_path;
    }
  }

  Result<os::Fd> make_folder(std::string const& path) {
    auto folder = os::open_beneath(impl_.root.get(), path, O_RDONLY | O_DIRECTORY);
    if (folder || folder.error().code != ErrorCode::not_found || path == ".") return folder;
    auto const [parent_path, name] = split_path(path);
    auto const parent = make_folder(parent_path);
    if (!parent) return std::unexpected(parent.error());
    if (::mkdirat(parent->get(), name.c_str(), 0777) != 0 && errno != EEXIST)
      return fail_errno("make the folder", path);
    return os::open_beneath(impl_.root.get(), path, O_RDONLY | O_DIRECTORY);
  }

  Status write_regular(int folder_fd, std::string const& temporary, std::string const& path,
                       TreeSide const& side, std::string content) {
    // Asking about a rules file would remember its folder as one without rules.
    bool const is_rules = split_path(path).name == ".gitattributes";
    auto const attributes = is_rules ? AttributeReader{impl_}.of(path) : attributes_.of(path);
    if (!attributes) return std::unexpected(attributes.error());
    content =
        to_work_tree(std::move(content), conversion_for(*attributes, impl_.convert), side.oid);
    mode_t const mode = side.mode == kModeExecutable ? 0777 : 0666;
    os::Fd const file{::openat(folder_fd, temporary.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)};
    if (!file.valid()) return fail_errno("create", path);
    return os::write_all(file.get(), content, path);
  }

  static Result<StatData> write_gitlink(int folder_fd, std::string const& path,
                                        std::string const& name) {
    if (::mkdirat(folder_fd, name.c_str(), 0777) != 0 && errno != EEXIST)
      return fail_errno("make the folder", path);
    return lstat_in(folder_fd, path, name);
  }

  static Result<StatData> lstat_in(int folder_fd, std::string const& path,
                                   std::string const& name) {
    struct stat info{};
    if (::fstatat(folder_fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      return fail_errno("inspect", path);
    return StatData::of(info);
  }

  Repository::Impl const& impl_;
  AttributeReader attributes_;
};

// Rules files first, so that what they say holds for the files written after them.
std::vector<TreeDelta const*> in_writing_order(std::vector<TreeDelta> const& deltas) {
  std::vector<TreeDelta const*> rules;
  std::vector<TreeDelta const*> others;
  for (auto const& delta : deltas) {
    if (delta.after.mode == 0) continue;
    bool const is_rules = split_path(delta.path).name == ".gitattributes";
    (is_rules ? rules : others).push_back(&delta);
  }
  rules.insert(rules.end(), others.begin(), others.end());
  return rules;
}

void undo(Repository::Impl const& impl, std::vector<TreeDelta const*> const& done) {
  Writer writer{impl};
  for (auto const* delta : done) {
    if (delta->before.mode != 0) continue;
    if (auto const removed = writer.remove(delta->path); !removed)
      log::error("checkout-undo-failed",
                 {{"path", delta->path}, {"error", removed.error().text()}});
  }
  for (auto const* delta : done) {
    if (delta->before.mode == 0) continue;
    if (auto const written = writer.write(delta->path, delta->before); !written)
      log::error("checkout-undo-failed",
                 {{"path", delta->path}, {"error", written.error().text()}});
  }
}

using Written = std::map<std::string_view, IndexEntry>;

Status write_all_deltas(Repository::Impl const& impl, IndexFile& index,
                        std::vector<TreeDelta> const& deltas, Written& written,
                        std::vector<TreeDelta const*>& done) {
  Writer writer{impl};
  for (auto const& delta : deltas) {
    if (!is_safe_path(delta.path))
      return fail(ErrorCode::forbidden, "the branch holds the path {}, which is not safe to write",
                  printable(delta.path));
    if (delta.after.mode != 0) continue;
    done.push_back(&delta);
    DROVER_TRY(writer.remove(delta.path));
  }
  for (auto const* delta : in_writing_order(deltas)) {
    done.push_back(delta);
    auto const stat = writer.write(delta->path, delta->after);
    if (!stat) return std::unexpected(stat.error());
    IndexEntry entry{.path = index.intern(delta->path),
                     .oid = delta->after.oid,
                     .stat = *stat,
                     .mode = delta->after.mode};
    written.emplace(delta->path, entry);
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> find_obstacles(Repository::Impl const& impl,
                                                IndexFile const& index,
                                                std::vector<TreeDelta> const& deltas) {
  std::vector<std::string> obstacles;
  AttributeReader attributes{impl};
  std::set<std::string, std::less<>> removed;
  for (auto const& delta : deltas) {
    if (delta.after.mode == 0) removed.insert(delta.path);
  }
  auto const is_tracked = [&](std::string_view path) {
    auto const& entries = index.entries();
    auto const found = std::ranges::lower_bound(entries, path, {}, &IndexEntry::path);
    return found != entries.end() && (found->path == path || (found->path.starts_with(path) &&
                                                              found->path[path.size()] == '/'));
  };
  for (auto const& delta : deltas) {
    if (delta.after.mode == 0) continue;
    auto const found = attributes.of(delta.path);
    if (!found) return std::unexpected(found.error());
    bool const plain = delta.after.mode == kModeLink || delta.after.mode == kModeGitlink;
    if (!plain && (needs_external_filter(*found) || needs_reencoding(*found)))
      obstacles.push_back(delta.path);
    if (delta.before.mode != 0) continue;
    // The path itself, or a file where it needs a folder.
    for (std::size_t end = delta.path.find('/');; end = delta.path.find('/', end + 1)) {
      std::string const part = delta.path.substr(0, end);
      struct stat info{};
      bool const there = ::fstatat(impl.root.get(), part.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
      bool const whole = end == std::string::npos;
      bool const in_the_way = there && (whole || !S_ISDIR(info.st_mode));
      if (in_the_way && !removed.contains(part) && !(whole && is_tracked(part))) {
        obstacles.push_back(part);
        break;
      }
      if (whole || !there) break;
    }
  }
  std::ranges::sort(obstacles);
  obstacles.erase(std::ranges::unique(obstacles).begin(), obstacles.end());
  return obstacles;
}

Status apply_deltas(Repository::Impl const& impl, IndexFile& index,
                    std::vector<TreeDelta> const& deltas) {
  Written written;
  std::vector<TreeDelta const*> done;
  auto status = write_all_deltas(impl, index, deltas, written, done);
  if (!status) {
    undo(impl, done);
    return status;
  }
  std::set<std::string_view> gone;
  for (auto const& delta : deltas) {
    gone.insert(delta.path);
    index.tree().invalidate(delta.path);
  }
  std::vector<IndexEntry> entries;
  entries.reserve(index.entries().size() + written.size());
  for (auto const& entry : index.entries()) {
    if (!gone.contains(entry.path)) entries.push_back(entry);
  }
  for (auto const& [path, entry] : written)
    entries.push_back(entry);
  std::ranges::sort(entries, {}, &IndexEntry::path);
  index.replace_entries(std::move(entries));
  return {};
}

}  // namespace drover::git
