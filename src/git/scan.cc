#include "git/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#include "base/text.h"
#include "os/files.h"

namespace drover::git {

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

// One folder's place in the chain of .gitignore files. Rules are read when first asked for: most
// folders hold nothing that the index does not know.
struct Folder {
  std::shared_ptr<Folder const> parent;  // shared: jobs of subfolders outlive the parent's job
  std::string prefix;                    // "" or "a/b/"
  bool has_rules = false;
  mutable std::once_flag once;
  mutable IgnoreRules rules;
  mutable Status loaded;
};

enum class Tracking { normal, ignored };  // ignored: only what the index knows counts

struct Job {
  std::string path{};  // "" or "a/b"
  std::size_t first = 0, last = 0;
  Tracking tracking = Tracking::normal;
  std::shared_ptr<Folder const> parent{};
};

struct Item {
  std::string key;  // folders end with a slash, as they sort in the index
  bool is_folder = false;
  [[nodiscard]] std::string_view name() const {
    std::string_view whole = key;
    if (is_folder) whole.remove_suffix(1);
    return whole;
  }
};

std::string_view first_component(std::string_view rest) {
  std::size_t const slash = rest.find('/');
  return slash == std::string_view::npos ? rest : rest.substr(0, slash + 1);
}

std::uint32_t git_mode(struct stat const& info) {
  if (S_ISLNK(info.st_mode)) return kModeLink;
  return (info.st_mode & S_IXUSR) != 0 ? kModeExecutable : kModeFile;
}

class Scanner {
 public:
  explicit Scanner(ScanRequest const& request)
      : request_(request),
        entries_(request.index->entries()),
        deadline_(std::chrono::steady_clock::now() + request.time_max) {}

  Result<ScanResult> run() {
    jobs_.push_back({.last = entries_.size()});
    // Results are kept apart by thread and joined at the end.
    std::array<ScanResult, kScanThreads> results;
    {
      std::array<std::jthread, kScanThreads - 1> helpers;
      for (unsigned i = 1; i < kScanThreads; ++i)
        helpers[i - 1] = std::jthread([this, &result = results[i]] { work(result); });
      work(results[0]);
    }
    if (failure_) return std::unexpected(*std::move(failure_));
    for (unsigned i = 1; i < kScanThreads; ++i)
      append(results[0], results[i]);
    std::ranges::sort(results[0].found, {}, &Found::path);
    std::ranges::sort(results[0].skipped);
    std::ranges::sort(results[0].odd_attribute_files);
    return std::move(results[0]);
  }

 private:
  static void append(ScanResult& to, ScanResult& from) {
    auto const move_all = [](auto& target, auto& source) {
      std::ranges::move(source, std::back_inserter(target));
    };
    move_all(to.found, from.found);
    move_all(to.skipped, from.skipped);
    move_all(to.distrusted, from.distrusted);
    move_all(to.odd_attribute_files, from.odd_attribute_files);
  }

  void work(ScanResult& result) {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return !jobs_.empty() || busy_ == 0 || failure_; });
      if (failure_ || jobs_.empty()) return;
      Job const job = std::move(jobs_.back());
      jobs_.pop_back();
      ++busy_;
      lock.unlock();
      Status done = scan_folder(job, result);
      lock.lock();
      --busy_;
      if (!done && !failure_) failure_ = std::move(done).error();
      if (failure_ || (jobs_.empty() && busy_ == 0)) wake_.notify_all();
    }
  }

  void enqueue(std::vector<Job> jobs) {
    if (jobs.empty()) return;
    std::scoped_lock const lock(mutex_);
    std::ranges::move(jobs, std::back_inserter(jobs_));
    wake_.notify_all();
  }

  Status check_bounds(std::string const& path, std::size_t more_entries) {
    if (std::chrono::steady_clock::now() > deadline_)
      return fail(ErrorCode::timeout, "looking through the work tree took over {} ms (at {})",
                  request_.time_max.count(), path.empty() ? "." : printable(path));
    if (seen_.fetch_add(more_entries) + more_entries > kScanEntriesMax)
      return fail_next(ErrorCode::too_large,
                       fmt::format("the work tree has over {} entries", kScanEntriesMax),
                       "add what is not source to .gitignore");
    return {};
  }

  // The entries of a folder, sorted as the index sorts them.
  Result<std::vector<Item>> list(Job const& job, int folder_fd) {
    std::vector<Item> items;
    std::size_t counted = 0;
    alignas(dirent64) std::array<char, 65536> buffer;  // NOLINT: filled by the kernel
    for (;;) {
      ssize_t const got = ::getdents64(folder_fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno("list the folder", job.path);
      if (got == 0) break;
      for (ssize_t at = 0; at < got;) {
        auto const* const entry = reinterpret_cast<dirent64 const*>(buffer.data() + at);
        at += entry->d_reclen;
        std::string_view const name = entry->d_name;
        if (name == "." || name == "..") continue;
        bool is_folder = entry->d_type == DT_DIR;
        if (entry->d_type == DT_UNKNOWN) {
          struct stat info{};
          is_folder = ::fstatat(folder_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                      S_ISDIR(info.st_mode);
        }
        Item item{.key = std::string{name}, .is_folder = is_folder};
        if (is_folder) item.key += '/';
        items.push_back(std::move(item));
      }
      DROVER_TRY(check_bounds(job.path, items.size() - counted));
      counted = items.size();
    }
    std::ranges::sort(items, {}, &Item::key);
    return items;
  }

  Status scan_folder(Job const& job, ScanResult& result) {
    auto folder_fd = os::open_beneath(request_.root_fd, job.path.empty() ? "." : job.path,
                                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!folder_fd) {
      if (job.path.empty()) return std::unexpected(folder_fd.error());
      skip(job.path, SkipReason::unreadable, result);
      for (std::size_t i = job.first; i < job.last; ++i)
        result.distrusted.push_back(i);
      return {};
    }
    auto items = list(job, folder_fd->get());
    if (!items) return std::unexpected(std::move(items).error());

    auto folder = std::make_shared<Folder>();
    folder->parent = job.parent;
    folder->prefix = job.path.empty() ? "" : job.path + "/";
    bool has_repository = false;
    for (auto const& item : *items) {
      if (item.name() == ".git") has_repository = true;
      if (item.key == ".gitignore") folder->has_rules = true;
    }
    if (has_repository && !job.path.empty()) {
      skip(job.path, SkipReason::nested_repository, result);
      // What the index knows below it stays ours; all else in there belongs to the other one.
      if (job.first == job.last) return {};
    }
    return merge(job, *items, folder, folder_fd->get(), result);
  }

  // Walks the folder's listing and its range of the index side by side.
  Status merge(Job const& job, std::vector<Item>& items,
               std::shared_ptr<Folder const> const& folder, int folder_fd, ScanResult& result) {
    mark_gitlinks(job, items, folder->prefix);
    std::vector<Job> subfolders;
    std::size_t at = job.first;
    auto item = items.begin();
    while (at < job.last || item != items.end()) {
      std::string_view const indexed =
          at < job.last ? first_component(entries_[at].path.substr(folder->prefix.size()))
                        : std::string_view{};
      int const order = at == job.last ? 1 : item == items.end() ? -1 : indexed.compare(item->key);
      if (order < 0) {
        std::size_t const end = end_of(indexed, at, job.last, folder->prefix.size());
        for (; at < end; ++at)
          report_missing(at, result);
        continue;
      }
      std::size_t const end =
          order == 0 ? end_of(indexed, at, job.last, folder->prefix.size()) : at;
      std::string path = folder->prefix + std::string{item->name()};
      if (path.size() > kPathBytesMax) {
        skip(path, SkipReason::path_too_long, result);
      } else if (is_under(path, request_.excluded)) {
        for (std::size_t i = at; i < end; ++i)
          result.distrusted.push_back(i);
      } else if (order == 0 && item->is_folder) {
        DROVER_TRY(enter_tracked(job, std::move(path), at, end, folder, subfolders));
      } else if (order == 0) {
        compare_file(std::move(path), at, folder_fd, *item, result);
      } else {
        DROVER_TRY(
            look_at_untracked(job, std::move(path), *item, folder, folder_fd, subfolders, result));
      }
      at = end;
      ++item;
    }
    enqueue(std::move(subfolders));
    return {};
  }

  // A submodule's folder is one entry of the index, and nothing in it is looked at.
  void mark_gitlinks(Job const& job, std::vector<Item>& items, std::string const& prefix) {
    bool changed = false;
    for (auto& item : items) {
      if (!item.is_folder || job.first == job.last) continue;
      std::string const path = prefix + std::string{item.name()};
      auto const begin = entries_.begin() + static_cast<std::ptrdiff_t>(job.first);
      auto const end = entries_.begin() + static_cast<std::ptrdiff_t>(job.last);
      auto const found = std::lower_bound(
          begin, end, path,
          [](IndexEntry const& entry, std::string const& wanted) { return entry.path < wanted; });
      if (found == end || found->path != path || found->mode != kModeGitlink) continue;
      item.key.pop_back();
      item.is_folder = false;
      changed = true;
    }
    if (changed) std::ranges::sort(items, {}, &Item::key);
  }

  std::size_t end_of(std::string_view component, std::size_t at, std::size_t last,
                     std::size_t prefix_bytes) const {
    if (!component.ends_with('/')) return at + 1;
    auto const begin = entries_.begin() + static_cast<std::ptrdiff_t>(at);
    auto const end = entries_.begin() + static_cast<std::ptrdiff_t>(last);
    auto const found = std::partition_point(begin, end, [&](IndexEntry const& entry) {
      return entry.path.substr(prefix_bytes).starts_with(component);
    });
    return static_cast<std::size_t>(found - entries_.begin());
  }

  void report_missing(std::size_t at, ScanResult& result) {
    IndexEntry const& entry = entries_[at];
    if (is_under(entry.path, request_.excluded)) {
      result.distrusted.push_back(at);
      return;
    }
    if (entry.skip_worktree() || entry.assume_valid()) return;
    result.found.push_back(
        {.path = std::string{entry.path}, .kind = FoundKind::deleted, .index_at = at});
  }

  Status enter_tracked(Job const& job, std::string path, std::size_t first, std::size_t last,
                       std::shared_ptr<Folder const> const& folder, std::vector<Job>& subfolders) {
    Tracking tracking = job.tracking;
    if (tracking == Tracking::normal) {
      auto const ignored = is_ignored(path, PathKind::folder, folder);
      if (!ignored) return std::unexpected(ignored.error());
      if (*ignored) tracking = Tracking::ignored;
    }
    subfolders.push_back({.path = std::move(path),
                          .first = first,
                          .last = last,
                          .tracking = tracking,
                          .parent = folder});
    return {};
  }

  void compare_file(std::string path, std::size_t at, int folder_fd, Item const& item,
                    ScanResult& result) {
    IndexEntry const& entry = entries_[at];
    if (entry.mode == kModeGitlink || entry.skip_worktree() || entry.assume_valid()) return;
    struct stat info{};
    if (::fstatat(folder_fd, item.key.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      distrust(std::move(path), SkipReason::changed_while_reading, at, result);
      return;
    }
    note_attribute_file(path, item, info, result);
    if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) {
      distrust(std::move(path), SkipReason::special_file, at, result);
      return;
    }
    std::uint32_t mode = git_mode(info);
    if (!request_.trust_executable_bit && mode != kModeLink && entry.mode != kModeLink)
      mode = entry.mode;
    StatData const now = StatData::of(info);
    if (mode == entry.mode && now.same_file(entry.stat) && !request_.index->is_racy(entry.stat) &&
        !entry.intent_to_add())
      return;
    result.found.push_back(
        {.path = std::move(path), .kind = FoundKind::suspect, .index_at = at, .mode = mode});
  }

  Status look_at_untracked(Job const& job, std::string path, Item const& item,
                           std::shared_ptr<Folder const> const& folder, int folder_fd,
                           std::vector<Job>& subfolders, ScanResult& result) {
    if (item.name() == ".git") return {};  // the repository itself, or reported with its folder
    struct stat info{};
    bool const known =
        ::fstatat(folder_fd, std::string{item.name()}.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (known) note_attribute_file(path, item, info, result);
    if (job.tracking == Tracking::ignored) return {};
    auto const ignored =
        is_ignored(path, item.is_folder ? PathKind::folder : PathKind::file, folder);
    if (!ignored) return std::unexpected(ignored.error());
    if (*ignored) return {};
    if (is_dot_git(item.name()) ||
        (item.name() == ".gitmodules" && known && S_ISLNK(info.st_mode))) {
      skip(path, SkipReason::unsafe_name, result);
    } else if (!known) {
      skip(path, SkipReason::changed_while_reading, result);
    } else if (S_ISDIR(info.st_mode)) {
      subfolders.push_back({.path = std::move(path), .parent = folder});
    } else if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) {
      skip(path, SkipReason::special_file, result);
    } else {
      std::uint32_t mode = git_mode(info);
      if (!request_.trust_executable_bit && mode == kModeExecutable) mode = kModeFile;
      result.found.push_back({.path = std::move(path), .kind = FoundKind::added, .mode = mode});
    }
    return {};
  }

  static void note_attribute_file(std::string const& path, Item const& item,
                                  struct stat const& info, ScanResult& result) {
    if (item.name() == ".gitattributes" && !S_ISREG(info.st_mode))
      result.odd_attribute_files.push_back(path);
  }

  static void skip(std::string path, SkipReason reason, ScanResult& result) {
    result.skipped.push_back({std::move(path), reason});
  }

  static void distrust(std::string path, SkipReason reason, std::size_t at, ScanResult& result) {
    skip(std::move(path), reason, result);
    result.distrusted.push_back(at);
  }

  // The deepest file that says something decides. Folders above were not ignored, or we were not
  // here.
  Result<bool> is_ignored(std::string_view path, PathKind kind,
                          std::shared_ptr<Folder const> const& folder) {
    for (Folder const* at = folder.get(); at != nullptr; at = at->parent.get()) {
      if (!at->has_rules) continue;
      std::call_once(at->once, [&] { load_rules(*at); });
      if (!at->loaded) return std::unexpected(at->loaded.error());
      if (at->rules.empty()) continue;
      DROVER_TRY(check_bounds(std::string{path}, 0));
      auto const decided = at->rules.decide(path.substr(at->prefix.size()), kind);
      if (decided) return *decided;
    }
    for (auto const& rules : request_.ignores) {
      if (auto const decided = rules.decide(path, kind)) return *decided;
    }
    return false;
  }

  void load_rules(Folder const& folder) {
    auto text = read_rules_beneath(request_.root_fd, folder.prefix + ".gitignore");
    if (text)
      folder.rules = IgnoreRules::parse(*text);
    else
      folder.loaded = std::unexpected(std::move(text).error());
  }

  ScanRequest const& request_;
  std::vector<IndexEntry> const& entries_;
  SteadyTime const deadline_;
  std::atomic<std::size_t> seen_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Job> jobs_;         // guarded by mutex_
  unsigned busy_ = 0;             // guarded by mutex_
  std::optional<Error> failure_;  // guarded by mutex_
};

// HFS+ leaves these out when it compares names.
bool is_hfs_ignorable(unsigned char b1, unsigned char b2, unsigned char b3) {
  if (b1 == 0xe2 && b2 == 0x80) return (b3 >= 0x8c && b3 <= 0x8f) || (b3 >= 0xaa && b3 <= 0xae);
  if (b1 == 0xe2 && b2 == 0x81) return b3 >= 0xaa && b3 <= 0xaf;
  return b1 == 0xef && b2 == 0xbb && b3 == 0xbf;
}

std::string without_hfs_ignorable(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    auto const at = [&](std::size_t k) {
      return k < name.size() ? static_cast<unsigned char>(name[k]) : static_cast<unsigned char>(0);
    };
    if (is_hfs_ignorable(at(i), at(i + 1), at(i + 2)))
      i += 2;
    else
      out += name[i];
  }
  return out;
}

}  // namespace

std::string_view to_string(SkipReason reason) {
  switch (reason) {
    case SkipReason::nested_repository:
      return "nested_repository";
    case SkipReason::hard_link:
      return "hard_link";
    case SkipReason::special_file:
      return "special_file";
    case SkipReason::unsafe_name:
      return "unsafe_name";
    case SkipReason::external_filter:
      return "external_filter";
    case SkipReason::unsupported_encoding:
      return "unsupported_encoding";
    case SkipReason::changed_while_reading:
      return "changed_while_reading";
    case SkipReason::unreadable:
      return "unreadable";
    case SkipReason::path_too_long:
      return "path_too_long";
  }
  return "unknown";
}

bool is_dot_git(std::string_view name) {
  if (name.size() < 4) return false;
  if (iequals(without_hfs_ignorable(name), ".git")) return true;
  std::size_t stem = 0;
  if (iequals(name.substr(0, 4), ".git"))
    stem = 4;
  else if (name.size() >= 5 && iequals(name.substr(0, 5), "git~1"))
    stem = 5;
  else
    return false;
  // NTFS drops trailing dots and blanks, and reads what follows a colon as a stream's name.
  std::size_t const end = name.find_first_not_of(". ", stem);
  return end == std::string_view::npos || name[end] == ':' || name[end] == '\\';
}

bool is_under(std::string_view path, std::vector<std::string> const& prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view prefix) {
    if (prefix.ends_with('/')) prefix.remove_suffix(1);
    return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
  });
}

Result<std::string> read_rules_beneath(int root_fd, std::string const& path) {
  auto const fd = os::open_beneath(root_fd, path, O_RDONLY | O_NOFOLLOW);
  if (!fd) return std::string{};
  struct stat info{};
  if (::fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::string{};
  return os::read_all(fd->get(), path, kRulesFileBytesMax);
}

Result<ScanResult> scan(ScanRequest const& request) {
  return Scanner{request}.run();
}

}  // namespace drover::git
