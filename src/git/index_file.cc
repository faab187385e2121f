#include "git/index_file.h"

#include <fcntl.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/text.h"
#include "os/files.h"

namespace drover::git {

namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kFixedBytes = 62;  // of an entry, before `more` and the path
constexpr std::uint16_t kFlagExtended = 0x4000;
constexpr std::uint16_t kNameMask = 0x0fff;
constexpr int kTreeDepthMax = 2048;

std::uint32_t load32(char const* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap32(value);
}

std::uint16_t load16(char const* at) {
  std::uint16_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return __builtin_bswap16(value);
}

void store32(std::string& out, std::uint32_t value) {
  value = __builtin_bswap32(value);
  out.append(reinterpret_cast<char const*>(&value), sizeof value);
}

void store16(std::string& out, std::uint16_t value) {
  value = __builtin_bswap16(value);
  out.append(reinterpret_cast<char const*>(&value), sizeof value);
}

std::array<unsigned char, SHA_DIGEST_LENGTH> sha1(std::string_view bytes) {
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<unsigned char const*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

std::unexpected<Error> corrupt(std::string const& path, std::string_view what) {
  return fail_next(ErrorCode::data_corrupt,
                   fmt::format("the git index {} is damaged: {}", printable(path, 300), what),
                   "remove it and run `git reset`, which builds it anew from HEAD");
}

std::unexpected<Error> is_split(std::string const& path) {
  return fail_next(ErrorCode::unsupported,
                   fmt::format("the git index {} is split", printable(path, 300)),
                   "run `git update-index --no-split-index` in the workspace");
}

// The offset encoding of pack files, which version 4 uses for the bytes to drop.
std::optional<std::size_t> read_varint(std::string_view body, std::size_t& at) {
  if (at >= body.size()) return std::nullopt;
  auto c = static_cast<unsigned char>(body[at++]);
  std::size_t value = c & 127U;
  while ((c & 128U) != 0) {
    if (at >= body.size() || value > (std::size_t{1} << 40U)) return std::nullopt;
    c = static_cast<unsigned char>(body[at++]);
    value = ((value + 1) << 7U) + (c & 127U);
  }
  return value;
}

void write_varint(std::string& out, std::size_t value) {
  std::array<char, 16> buffer{};
  std::size_t pos = buffer.size() - 1;
  buffer[pos] = static_cast<char>(value & 127U);
  while ((value >>= 7U) != 0) {
    --value;
    buffer[--pos] = static_cast<char>(128U | (value & 127U));
  }
  out.append(buffer.data() + pos, buffer.size() - pos);
}

IndexEntry decode_fixed(char const* at) {
  IndexEntry entry;
  entry.stat = {.ctime_s = load32(at),
                .ctime_ns = load32(at + 4),
                .mtime_s = load32(at + 8),
                .mtime_ns = load32(at + 12),
                .dev = load32(at + 16),
                .ino = load32(at + 20),
                .uid = load32(at + 28),
                .gid = load32(at + 32),
                .size = load32(at + 36)};
  entry.mode = load32(at + 24);
  entry.oid = Oid::from_raw(at + 40);
  entry.flags = load16(at + 60);
  return entry;
}

void encode_fixed(std::string& out, IndexEntry const& entry) {
  auto const& s = entry.stat;
  for (std::uint32_t const value : {s.ctime_s, s.ctime_ns, s.mtime_s, s.mtime_ns, s.dev, s.ino,
                                    entry.mode, s.uid, s.gid, s.size})
    store32(out, value);
  out += entry.oid.raw();
  auto const length = std::min<std::size_t>(entry.path.size(), kNameMask);
  auto flags = static_cast<std::uint16_t>((entry.flags & ~(kFlagExtended | kNameMask)) | length);
  if (entry.more != 0) flags |= kFlagExtended;
  store16(out, flags);
  if (entry.more != 0) store16(out, entry.more);
}

bool parse_tree(std::string_view& data, CacheTree& node, int depth) {
  if (depth > kTreeDepthMax) return false;
  std::size_t const name_end = data.find('\0');
  std::size_t const line_end = data.find('\n', name_end == std::string_view::npos ? 0 : name_end);
  if (name_end == std::string_view::npos || line_end == std::string_view::npos) return false;
  node.name = data.substr(0, name_end);
  std::string_view const numbers = data.substr(name_end + 1, line_end - name_end - 1);
  std::size_t const space = numbers.find(' ');
  if (space == std::string_view::npos) return false;
  std::size_t children = 0;
  char const* const end = numbers.data() + numbers.size();
  if (std::from_chars(numbers.data(), numbers.data() + space, node.entries).ec != std::errc{} ||
      std::from_chars(numbers.data() + space + 1, end, children).ec != std::errc{})
    return false;
  data.remove_prefix(line_end + 1);
  if (node.entries >= 0) {
    if (data.size() < kOidBytes) return false;
    node.oid = Oid::from_raw(data.data());
    data.remove_prefix(kOidBytes);
  }
  if (children > data.size()) return false;
  node.children.resize(children);
  return std::ranges::all_of(node.children,
                             [&](CacheTree& child) { return parse_tree(data, child, depth + 1); });
}

void write_tree(std::string& out, CacheTree const& node) {
  out += node.name;
  out += '\0';
  out += fmt::format("{} {}\n", node.entries, node.children.size());
  if (node.entries >= 0) out += node.oid.raw();
  for (auto const& child : node.children)
    write_tree(out, child);
}

}  // namespace

StatData StatData::of(struct stat const& info) {
  auto const low = [](auto value) { return static_cast<std::uint32_t>(value); };
  return {.ctime_s = low(info.st_ctim.tv_sec),
          .ctime_ns = low(info.st_ctim.tv_nsec),
          .mtime_s = low(info.st_mtim.tv_sec),
          .mtime_ns = low(info.st_mtim.tv_nsec),
          .dev = low(info.st_dev),
          .ino = low(info.st_ino),
          .uid = low(info.st_uid),
          .gid = low(info.st_gid),
          .size = low(info.st_size)};
}

bool StatData::same_file(StatData const& other) const {
  return mtime_s == other.mtime_s && mtime_ns == other.mtime_ns && ctime_s == other.ctime_s &&
         ctime_ns == other.ctime_ns && ino == other.ino && size == other.size && uid == other.uid &&
         gid == other.gid;
}

bool shorter_then_less(std::string_view left, std::string_view right) {
  return left.size() != right.size() ? left.size() < right.size() : left < right;
}

CacheTree* CacheTree::child(std::string_view child_name) {
  auto const found =
      std::ranges::lower_bound(children, child_name, shorter_then_less, &CacheTree::name);
  return found == children.end() || found->name != child_name ? nullptr : &*found;
}

void CacheTree::invalidate(std::string_view path) {
  entries = -1;
  std::size_t const slash = path.find('/');
  if (slash == std::string_view::npos) return;
  if (CacheTree* const below = child(path.substr(0, slash)))
    below->invalidate(path.substr(slash + 1));
}

std::string_view IndexFile::intern(std::string_view path) {
  return arena_.emplace_back(path);
}

bool IndexFile::is_racy(StatData const& stat) const {
  if (mtime_s_ == 0 && mtime_ns_ == 0) return true;
  return stat.mtime_s > mtime_s_ || (stat.mtime_s == mtime_s_ && stat.mtime_ns >= mtime_ns_);
}

Result<IndexFile> IndexFile::read(std::string const& path) {
  IndexFile index;
  os::Fd const fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!fd.valid() && errno == ENOENT) return index;
  if (!fd.valid()) return fail_errno("open the git index", path);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("inspect the git index", path);
  if (!S_ISREG(info.st_mode)) return corrupt(path, "it is not a regular file");
  index.mtime_s_ = static_cast<std::uint32_t>(info.st_mtim.tv_sec);
  index.mtime_ns_ = static_cast<std::uint32_t>(info.st_mtim.tv_nsec);
  auto raw = os::read_all(fd.get(), path, kIndexBytesMax);
  if (!raw) return std::unexpected(std::move(raw).error());
  *index.raw_ = std::move(*raw);
  DROVER_TRY(index.parse(path));
  return index;
}

Status IndexFile::parse(std::string const& path) {
  std::string_view const raw = *raw_;
  if (raw.size() < kHeaderBytes + kOidBytes || !raw.starts_with("DIRC"))
    return corrupt(path, "it has no header");
  version_ = load32(raw.data() + 4);
  std::size_t const count = load32(raw.data() + 8);
  if (version_ < 2 || version_ > 4)
    return fail(ErrorCode::unsupported, "the git index {} has version {}; 2 to 4 are known",
                printable(path, 300), version_);
  std::string_view const body = raw.substr(0, raw.size() - kOidBytes);
  std::string_view const checksum = raw.substr(body.size());
  auto const digest = sha1(body);
  // All zero: written with index.skipHash.
  if (!Oid::from_raw(checksum.data()).is_zero() &&
      std::memcmp(digest.data(), checksum.data(), kOidBytes) != 0)
    return corrupt(path, "its checksum does not match");
  if (count > kIndexEntriesMax)
    return fail(ErrorCode::too_large, "the git index {} has {} entries; the limit is {}",
                printable(path, 300), count, kIndexEntriesMax);
  std::size_t at = kHeaderBytes;
  DROVER_TRY(parse_entries(body, count, path, at));
  return parse_extensions(body, at, path);
}

Status IndexFile::parse_entries(std::string_view body, std::size_t count, std::string const& path,
                                std::size_t& at) {
  if (count > body.size() / kFixedBytes) return corrupt(path, "it is cut short");
  entries_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t const start = at;
    if (body.size() - at < kFixedBytes + 3) return corrupt(path, "it is cut short");
    IndexEntry entry = decode_fixed(body.data() + at);
    at += kFixedBytes;
    if ((entry.flags & kFlagExtended) != 0) {
      if (version_ < 3) return corrupt(path, "version 2 has an extended entry");
      entry.more = load16(body.data() + at);
      at += 2;
    }
    std::size_t dropped = 0;
    if (version_ == 4) {
      auto const varint = read_varint(body, at);
      if (!varint) return corrupt(path, "a path is cut short");
      dropped = *varint;
    }
    std::size_t const end = body.find('\0', at);
    if (end == std::string_view::npos) return corrupt(path, "a path is cut short");
    std::string_view const rest = body.substr(at, end - at);
    if (version_ == 4) {
      std::string_view const previous = i == 0 ? std::string_view{} : entries_.back().path;
      if (dropped > previous.size()) return corrupt(path, "a path drops more than there is");
      std::string whole{previous.substr(0, previous.size() - dropped)};
      whole += rest;
      entry.path = intern(whole);
      at = end + 1;
    } else {
      entry.path = rest;
      at = start + ((end - start) / 8 + 1) * 8;  // one to eight NULs
      if (at > body.size()) return corrupt(path, "a path is cut short");
    }
    if (entry.path.empty()) return is_split(path);  // it stands for one of the shared index
    if (i > 0 && (entries_.back().path > entry.path ||
                  (entries_.back().path == entry.path && entries_.back().stage() >= entry.stage())))
      return corrupt(path, "its entries are not sorted");
    if (entry.mode == kModeTree)
      return fail_next(ErrorCode::unsupported,
                       fmt::format("the git index {} is sparse", printable(path, 300)),
                       "run `git sparse-checkout set --no-sparse-index` in the workspace");
    has_conflicts_ = has_conflicts_ || entry.stage() != 0;
    entry.flags = static_cast<std::uint16_t>(entry.flags & ~(kFlagExtended | kNameMask));
    entries_.push_back(entry);
  }
  return {};
}

Status IndexFile::parse_extensions(std::string_view body, std::size_t at, std::string const& path) {
  while (at < body.size()) {
    if (body.size() - at < 8) return corrupt(path, "an extension is cut short");
    std::string_view const name = body.substr(at, 4);
    std::size_t const size = load32(body.data() + at + 4);
    if (size > body.size() - at - 8) return corrupt(path, "an extension is cut short");
    std::string_view data = body.substr(at + 8, size);
    at += 8 + size;
    if (name == "TREE") {
      // The cache may be thrown away at any time; so a damaged one is.
      if (!parse_tree(data, tree_, 0)) tree_ = {};
    } else if (name == "link") {
      return is_split(path);
    } else if (name[0] < 'A' || name[0] > 'Z') {
      return fail(ErrorCode::unsupported, "the git index {} needs the extension '{}'",
                  printable(path, 300), printable(name));
    }
  }
  return {};
}

std::string IndexFile::serialize() const {
  bool const extended =
      std::ranges::any_of(entries_, [](IndexEntry const& entry) { return entry.more != 0; });
  std::uint32_t const version = version_ == 4 ? 4 : (extended ? 3 : 2);
  std::string out;
  out.reserve(raw_->size() + 65536);
  out += "DIRC";
  store32(out, version);
  store32(out, static_cast<std::uint32_t>(entries_.size()));
  std::string_view previous;
  for (auto const& entry : entries_) {
    std::size_t const start = out.size();
    encode_fixed(out, entry);
    if (version == 4) {
      auto const [mine, theirs] = std::ranges::mismatch(entry.path, previous);
      auto const common = static_cast<std::size_t>(mine - entry.path.begin());
      write_varint(out, previous.size() - common);
      out += entry.path.substr(common);
      out += '\0';
      previous = entry.path;
    } else {
      out += entry.path;
      out.append(8 - (out.size() - start) % 8, '\0');
    }
  }
  if (tree_.entries >= 0 || !tree_.children.empty()) {
    std::string data;
    write_tree(data, tree_);
    out += "TREE";
    store32(out, static_cast<std::uint32_t>(data.size()));
    out += data;
  }
  auto const digest = sha1(out);
  out.append(reinterpret_cast<char const*>(digest.data()), digest.size());
  return out;
}

}  // namespace drover::git
