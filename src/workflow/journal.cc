#include "workflow/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>

#include "base/text.h"
#include "os/files.h"
#include "os/new_file.h"
#include "workflow/ulid.h"

namespace drover::workflow {

namespace {

constexpr std::size_t kEntryMax = std::size_t{64} << 20U;

std::unexpected<Error> broken(RunFolder const& run, std::string message) {
  return fail_next(ErrorCode::data_corrupt, std::move(message),
                   fmt::format("drover workflow repair-journal {} shows and mends what is wrong",
                               printable(run.path(), 400)));
}

struct Names {
  std::vector<EventName> entries;
  std::vector<std::string> others;
};

Result<Names> list(RunFolder const& run) {
  Names names;
  std::error_code error;
  std::filesystem::directory_iterator files{run.journal(), error};
  if (error) return std::unexpected(system_error(error.value(), "read the journal", run.journal()));
  for (; files != std::filesystem::directory_iterator{}; files.increment(error)) {
    if (error)
      return std::unexpected(system_error(error.value(), "read the journal", run.journal()));
    std::string const file = files->path().filename().string();
    if (auto name = parse_file_name(file))
      names.entries.push_back(*std::move(name));
    else if (file.ends_with(".json"))
      return broken(run, fmt::format("{} is no name of a journal entry", printable(file)));
    else
      names.others.push_back(file);
  }
  std::ranges::sort(names.entries, {}, &EventName::seq);
  std::ranges::sort(names.others);
  return names;
}

Status check_order(RunFolder const& run, std::vector<EventName> const& entries) {
  EventName last;
  for (auto const& name : entries) {
    if (name.seq != last.seq + 1)
      return broken(run, fmt::format("Journal sequence gap detected at {} (expected {}, got {})",
                                     file_name(name), last.seq + 1, name.seq));
    if (name.ulid <= last.ulid)
      return broken(run, fmt::format("Journal ULID order regression at {}", file_name(name)));
    last = name;
  }
  return {};
}

// Whether it can be what is left of an entry that was being written: no whole JSON text.
bool is_cut_off(std::string_view text) {
  return !trim(text).ends_with('}');
}

// One entry.
struct Read {
  Result<Event> event;
  bool cut_off = false;  // of an error: the last entry may be so
};

Read read_entry(RunFolder const& run, EventName const& name) {
  std::string const file = file_name(name);
  auto const text = os::read_file(fmt::format("{}/{}", run.journal(), file), kEntryMax);
  if (!text) return {std::unexpected(text.error())};
  auto event = parse_event(name, *text);
  if (event) return {std::move(event)};
  return {
      broken(run, fmt::format("Failed to parse journal event {}: {}", file, event.error().message)),
      is_cut_off(*text)};
}

// Most of the time goes to opening files and to their checksums, so a long journal is read by
// several threads.
std::vector<std::optional<Read>> read_entries(RunFolder const& run,
                                              std::vector<EventName> const& names) {
  constexpr std::size_t kForEach = 256;
  constexpr std::size_t kThreadsMax = 4;
  std::vector<std::optional<Read>> all(names.size());
  std::size_t const cores = std::max(1U, std::thread::hardware_concurrency());
  std::size_t const threads = std::min({kThreadsMax, cores, names.size() / kForEach + 1});
  auto const read_part = [&](std::size_t part) {
    std::size_t const end = names.size() * (part + 1) / threads;
    for (std::size_t i = names.size() * part / threads; i < end; ++i)
      all[i] = read_entry(run, names[i]);
  };
  std::vector<std::jthread> others;
  for (std::size_t part = 1; part < threads; ++part) {
    try {
      others.emplace_back(read_part, part);
    } catch (std::system_error const&) {
      // No thread is to be had: it takes longer.
      read_part(part);
    }
  }
  read_part(0);
  return all;
}

}  // namespace

Result<JournalFiles> read_journal(RunFolder const& run) {
  return read_journal_after(run, EventName{});
}

Result<JournalFiles> read_journal_after(RunFolder const& run, EventName const& known) {
  auto names = list(run);
  if (!names) return std::unexpected(names.error());
  DROVER_TRY(check_order(run, names->entries));
  auto const before = static_cast<std::ptrdiff_t>(known.seq);
  if (std::ssize(names->entries) < before || (before > 0 && names->entries[known.seq - 1] != known))
    return broken(run, fmt::format("{} is not in the journal any more", file_name(known)));
  names->entries.erase(names->entries.begin(), names->entries.begin() + before);
  JournalFiles files;
  files.leftovers = std::move(names->others);
  files.events.reserve(names->entries.size());
  auto read = read_entries(run, names->entries);
  for (std::size_t i = 0; i < read.size(); ++i) {
    auto& [event, cut_off] = *read[i];
    if (event) {
      files.events.push_back(*std::move(event));
      continue;
    }
    EventName const& name = names->entries[i];
    if (i + 1 < read.size() || name.seq == 1 || !cut_off) return std::unexpected(event.error());
    files.torn = file_name(name);
  }
  return files;
}

Result<std::vector<std::string>> set_aside(RunFolder const& run, JournalFiles const& files) {
  std::vector<std::string> names = files.leftovers;
  if (!files.torn.empty()) names.push_back(files.torn);
  if (names.empty()) return names;
  std::string const orphaned = run.at("orphaned");
  DROVER_TRY(os::make_folders(orphaned));
  for (auto const& name : names) {
    std::error_code error;
    std::filesystem::rename(fmt::format("{}/{}", run.journal(), name),
                            fmt::format("{}/{}", orphaned, name), error);
    if (error) return std::unexpected(system_error(error.value(), "set aside", name));
  }
  DROVER_TRY(os::sync_folder(run.journal()));
  DROVER_TRY(os::sync_folder(orphaned));
  return names;
}

Result<std::vector<Event>> JournalWriter::append(std::vector<NewEvent> entries) {
  std::vector<Event> events;
  events.reserve(entries.size());
  for (auto& entry : entries) {
    auto const now = clock_.now();
    Event event;
    event.name = {head_.seq + 1, next_ulid(now, random_, head_.ulid)};
    event.type = entry.type;
    event.recorded_at = to_rfc3339(now);
    event.data = std::move(entry.data);
    note_harness(event.data);
    DROVER_TRY(os::create_whole_file(fmt::format("{}/{}", run_.journal(), file_name(event.name)),
                                     print_event(event, writer_)));
    head_ = event.name;
    events.push_back(std::move(event));
  }
  if (!events.empty()) DROVER_TRY(os::sync_folder(run_.journal()));
  return events;
}

// Last in the newer generation, first in the older.
void JournalWriter::note_harness(json::object& data) const {
  if (harness_.empty() || data.contains("harness")) return;
  if (writer_ == Writer::current) {
    data.emplace("harness", harness_);
    return;
  }
  json::object first;
  first.emplace("harness", harness_);
  for (auto& member : data)
    first.emplace(member.key(), std::move(member.value()));
  data = std::move(first);
}

Result<Event> JournalWriter::append(NewEvent entry) {
  std::vector<NewEvent> entries;
  entries.push_back(std::move(entry));
  auto events = append(std::move(entries));
  if (!events) return std::unexpected(events.error());
  return std::move(events->front());
}

}  // namespace drover::workflow
