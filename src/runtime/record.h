#pragma once
// The durable record of a live workload: one JSON file `<folder>/<id>.json`, there from before the
// program runs until all of it is gone. After kill -9 of the server the next one finds its orphans.
// The file is renamed into place but not synced: it has to outlive this process, not the machine,
// whose end takes the workload along.
#include <string>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "sandbox/launcher.h"

namespace drover::runtime {

inline constexpr int kRecordVersion = 1;

struct Record {
  WorkloadId id{};
  std::string boot{};  // of the kernel that the trace belongs to
  sandbox::SandboxTrace trace{};
  std::vector<std::string> owned_folders{};
};

[[nodiscard]] std::string print_record(Record const& record);
[[nodiscard]] Result<Record> parse_record(std::string_view text);

class RecordFolder {
 public:
  explicit RecordFolder(std::string path) : path_(std::move(path)) {}
  [[nodiscard]] Status save(Record const& record) const;
  // A missing one is no error.
  [[nodiscard]] Status remove(WorkloadId const& id) const;
  // What a server that was killed had begun to save. While nobody saves.
  [[nodiscard]] Status remove_unfinished() const;
  struct Loaded {
    std::vector<Record> records;
    std::vector<std::string> unreadable;  // file names; torn by a crash of the machine
  };
  [[nodiscard]] Result<Loaded> load() const;

 private:
  std::string path_;
};

}  // namespace drover::runtime
