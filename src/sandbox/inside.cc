#include "sandbox/inside.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.h"
#include "sandbox/spec.h"

namespace drover::sandbox {

namespace {

constexpr std::size_t kLinesMax = 4096;

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    auto const begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) break;
    auto const end = std::min(line.find_first_of(" \t", begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
  return words;
}

std::optional<std::uint64_t> number_of(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool has_option(std::string_view options, std::string_view name) {
  while (!options.empty()) {
    auto const comma = std::min(options.find(','), options.size());
    if (options.substr(0, comma) == name) return true;
    options.remove_prefix(std::min(comma + 1, options.size()));
  }
  return false;
}

// "size=65536k" as the kernel prints it; 0 where the option is absent.
std::uint64_t sized_option(std::string_view options, std::string_view name) {
  auto at = options.find(name);
  while (at != std::string_view::npos && at != 0 && options[at - 1] != ',')
    at = options.find(name, at + 1);
  if (at == std::string_view::npos) return 0;
  auto value = options.substr(at + name.size());
  value = value.substr(0, value.find(','));
  std::uint64_t unit = 1;
  if (value.ends_with('k')) unit = 1ULL << 10U;
  if (value.ends_with('m')) unit = 1ULL << 20U;
  if (value.ends_with('g')) unit = 1ULL << 30U;
  if (unit != 1) value.remove_suffix(1);
  auto const number = number_of(value).value_or(0);
  return number > ~0ULL / unit ? ~0ULL : number * unit;
}

// "29 28 0:25 / /tmp rw,nosuid - tmpfs drover rw,size=4k": no line of another file looks like it.
std::optional<InsideMount> mount_of(std::string_view line) {
  auto const dash = line.find(" - ");
  if (dash == std::string_view::npos) return std::nullopt;
  auto const before = words_of(line.substr(0, dash));
  auto const after = words_of(line.substr(dash + 3));
  if (before.size() < 6 || after.size() < 3 || !number_of(before[0])) return std::nullopt;
  InsideMount mount;
  mount.target = before[4];
  mount.kind = after[0];
  mount.read_only = has_option(before[5], "ro");
  mount.nosuid = has_option(before[5], "nosuid");
  mount.nodev = has_option(before[5], "nodev");
  if (mount.kind == "tmpfs") {
    mount.size_bytes = sized_option(after[2], "size=");
    mount.files = sized_option(after[2], "nr_inodes=");
  }
  return mount;
}

void read_status(std::string_view line, Inside& inside) {
  auto const words = words_of(line);
  if (words.size() < 2) return;
  auto const number = number_of(words[1]);
  if (words[0] == "Pid:" && number) inside.pid = static_cast<long>(*number);
  // Real, effective, saved and file system uid.
  if (words[0] == "Uid:" && number &&
      std::all_of(words.begin() + 1, words.end(), [&](auto word) { return word == words[1]; }))
    inside.uid = static_cast<long>(*number);
  if (words[0] == "NoNewPrivs:") inside.no_new_privileges = words[1] == "1";
  if (words[0] == "Seccomp:" && number) inside.seccomp = static_cast<long>(*number);
}

}  // namespace

Result<Inside> parse_inside(std::string_view text) {
  Inside inside;
  std::uint64_t capabilities = 0;
  int sets = 0;
  std::size_t lines = 0;
  while (!text.empty()) {
    if (++lines > kLinesMax)
      return fail(ErrorCode::too_large, "a sandbox told of itself in over {} lines", kLinesMax);
    auto const end = std::min(text.find('\n'), text.size());
    auto const line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (auto mount = mount_of(line)) {
      inside.mounts.push_back(*std::move(mount));
      continue;
    }
    auto const words = words_of(line);
    if (words.size() == 2 && words[0].starts_with("Cap") && words[0].ends_with(':')) {
      auto const set = number_of(words[1], 16);
      if (set) capabilities |= *set;
      if (set) ++sets;
    } else if (words.size() > 10 && words[0].ends_with(':') && words[0].size() > 1) {
      inside.interfaces.emplace_back(words[0].substr(0, words[0].size() - 1));
    } else {
      read_status(line, inside);
    }
  }
  constexpr int kSets = 5;
  if (sets == kSets) inside.capabilities = capabilities;
  if (inside.pid < 0 || inside.mounts.empty())
    return fail(ErrorCode::internal, "a sandbox did not tell what it sees of itself");
  return inside;
}

std::string fault_of_mounts(Inside const& inside) {
  for (auto const& mount : inside.mounts) {
    std::string const name = printable(mount.target, 200);
    if (!mount.nosuid) return fmt::format("{} is not nosuid", name);
    if (!mount.nodev && !mount.target.starts_with("/dev/"))
      return fmt::format("{} is not nodev", name);
    if (mount.kind == "tmpfs" && !mount.read_only && (mount.size_bytes == 0 || mount.files == 0))
      return fmt::format("{} has no bound", name);
    if (!mount.read_only && mount.kind != "tmpfs" && mount.kind != "proc")
      return fmt::format("{} is writable", name);
  }
  auto const root = std::ranges::find(inside.mounts, "/", &InsideMount::target);
  if (root == inside.mounts.end() || !root->read_only) return "the root is writable";
  return {};
}

std::string fault_of_network(Inside const& inside) {
  for (auto const& name : inside.interfaces)
    if (name != "lo") return fmt::format("the interface {} is there", printable(name, 40));
  return {};
}

std::string fault_of_privileges(Inside const& inside) {
  if (inside.pid != 1) return fmt::format("the program is process {} and not 1", inside.pid);
  if (inside.uid != static_cast<long>(kAgentUid))
    return fmt::format("the program runs as uid {}", inside.uid);
  if (inside.capabilities != 0)
    return fmt::format("the program has capabilities: {:x}", inside.capabilities);
  if (!inside.no_new_privileges) return "the program can gain privileges";
  return {};
}

}  // namespace drover::sandbox
