#pragma once
// Where things are in a run directory, and reads and writes of its files. Blocking.
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace drover::workflow {

// As in a file name of a run directory: run ids and effect ids.
[[nodiscard]] bool is_plain_name(std::string_view text);

class RunFolder {
 public:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] std::string const& path() const { return path_; }
  [[nodiscard]] std::string name() const;
  // Of a run-relative path with slashes.
  [[nodiscard]] std::string at(std::string_view relative) const;
  [[nodiscard]] std::string journal() const { return at("journal"); }
  [[nodiscard]] std::string state_file() const { return at("state/state.json"); }
  [[nodiscard]] std::string task(std::string_view effect_id) const;

  // A file that the run's own files name: it must be in the run directory.
  [[nodiscard]] Result<std::string> referenced(std::string_view reference) const;
  // nullopt: not there. data_corrupt: no JSON.
  [[nodiscard]] Result<std::optional<json::value>> read_json(std::string const& path) const;
  // Atomic and durable, with the folders that it needs.
  [[nodiscard]] Status write_json(std::string_view relative, json::value const& value) const;
  [[nodiscard]] Status write_text(std::string_view relative, std::string_view text) const;

 private:
  std::string path_;  // without a slash at its end
};

}  // namespace drover::workflow
