#include "runtime/record.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <boost/json/serialize.hpp>

#include "base/json.h"
#include "os/files.h"

namespace drover::runtime {

namespace {

constexpr std::string_view kSuffix = ".json";
constexpr std::string_view kUnfinished = ".new";  // behind the suffix, until it is renamed
constexpr std::size_t kRecordBytesMax = std::size_t{256} << 10U;

json::array to_array(std::vector<std::string> const& texts) {
  json::array array;
  for (auto const& text : texts)
    array.emplace_back(text);
  return array;
}

Result<std::vector<std::string>> texts_of(JsonObject const& object, std::string_view key) {
  auto const* const value = object.find(key);
  if (value == nullptr || !value->is_array())
    return fail(ErrorCode::data_corrupt, "{} of a workload record is not a list",
                object.pointer_to(key));
  std::vector<std::string> texts;
  for (auto const& item : value->get_array()) {
    if (!item.is_string())
      return fail(ErrorCode::data_corrupt, "{} of a workload record is not a list of strings",
                  object.pointer_to(key));
    texts.emplace_back(item.get_string());
  }
  return texts;
}

}  // namespace

std::string print_record(Record const& record) {
  json::object const object{
      {"version", kRecordVersion},
      {"id", record.id.str()},
      {"boot", record.boot},
      {"pid", record.trace.pid},
      // As text: a tick count is 64 bits and JSON readers are free to make it a double.
      {"start_ticks", fmt::format("{}", record.trace.start_ticks)},
      {"cgroups", to_array(record.trace.cgroup_folders)},
      {"owned_folders", to_array(record.owned_folders)}};
  return json::serialize(object) + "\n";
}

Result<Record> parse_record(std::string_view text) {
  auto const value = parse_json(text, {.bytes_max = kRecordBytesMax});
  if (!value) return std::unexpected(value.error());
  auto const object = JsonObject::of(*value);
  if (!object) return std::unexpected(object.error());
  auto const version = object->integer("version");
  if (!version) return std::unexpected(version.error());
  if (*version != kRecordVersion)
    return fail(ErrorCode::unsupported, "a workload record has version {}; this drover knows {}",
                *version, kRecordVersion);
  auto const id_text = object->string("id");
  if (!id_text) return std::unexpected(id_text.error());
  auto id = WorkloadId::parse(*id_text);
  if (!id) return std::unexpected(id.error());
  auto boot = object->string("boot");
  if (!boot) return std::unexpected(boot.error());
  auto const pid = object->integer("pid");
  if (!pid) return std::unexpected(pid.error());
  auto const ticks = object->string("start_ticks");
  if (!ticks) return std::unexpected(ticks.error());
  auto cgroups = texts_of(*object, "cgroups");
  if (!cgroups) return std::unexpected(cgroups.error());
  auto folders = texts_of(*object, "owned_folders");
  if (!folders) return std::unexpected(folders.error());
  return Record{.id = *id,
                .boot = std::move(*boot),
                .trace = {.id = id->str(),
                          .pid = static_cast<pid_t>(*pid),
                          .start_ticks = std::strtoull(ticks->c_str(), nullptr, 10),
                          .cgroup_folders = std::move(*cgroups)},
                .owned_folders = std::move(*folders)};
}

Status RecordFolder::save(Record const& record) const {
  DROVER_TRY(os::make_folders(path_, 0700));
  std::string const path = fmt::format("{}/{}{}", path_, record.id, kSuffix);
  std::string const temporary = path + std::string{kUnfinished};
  os::Fd const fd{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (!fd.valid()) return fail_errno("create", temporary);
  if (auto const written = os::write_all(fd.get(), print_record(record), temporary); !written) {
    ::unlink(temporary.c_str());  // a full disk has a use for its room
    return written;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno("replace", path);
  return {};
}

Status RecordFolder::remove(WorkloadId const& id) const {
  std::string const path = fmt::format("{}/{}{}", path_, id, kSuffix);
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail_errno("remove", path);
}

Status RecordFolder::remove_unfinished() const {
  std::error_code error;
  std::vector<std::string> unfinished;
  for (auto const& entry : std::filesystem::directory_iterator{path_, error})
    if (entry.path().native().ends_with(kUnfinished)) unfinished.push_back(entry.path());
  for (std::string const& path : unfinished)
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("remove", path);
  return {};
}

Result<RecordFolder::Loaded> RecordFolder::load() const {
  Loaded loaded;
  std::unique_ptr<DIR, int (*)(DIR*)> const folder{::opendir(path_.c_str()), ::closedir};
  if (!folder && errno == ENOENT) return loaded;
  if (!folder) return fail_errno("read the folder", path_);
  while (dirent const* const entry = ::readdir(folder.get())) {
    std::string const name = entry->d_name;
    if (!name.ends_with(kSuffix)) continue;
    auto const text = os::read_file(path_ + "/" + name, kRecordBytesMax);
    if (!text) return std::unexpected(text.error());
    auto record = parse_record(*text);
    if (record && record->id.str() + std::string{kSuffix} == name)
      loaded.records.push_back(std::move(*record));
    else if (!record && record.error().code == ErrorCode::unsupported)
      return std::unexpected(record.error());
    else
      loaded.unreadable.push_back(name);
  }
  return loaded;
}

}  // namespace drover::runtime
