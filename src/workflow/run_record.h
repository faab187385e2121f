#pragma once
// run.json: what a run is, which process it executes, and the secret that it tells when it is
// completed. Members that drover does not know are kept.
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/random.h"
#include "workflow/event.h"
#include "workflow/run_folder.h"

namespace drover::workflow {

inline constexpr std::string_view kLayoutVersion = "2026.01-storage-preview";
// The process of a run that has none yet.
inline constexpr std::string_view kBareProcess = "bare-run";

struct Entrypoint {
  std::string import_path;  // absolute, or relative to the run directory, or "native:NAME"
  std::string export_name;  // may be empty

  // In the program that drives the run (native_host.h), and in no file.
  [[nodiscard]] bool is_native() const { return import_path.starts_with("native:"); }
  // "path" or "path#export".
  [[nodiscard]] std::string text() const;
  [[nodiscard]] json::object object() const;
  [[nodiscard]] static Entrypoint of(json::object const& object);
};
// Of "path#export"; the export defaults to "process".
[[nodiscard]] Result<Entrypoint> parse_entrypoint(std::string_view text);

struct RunRecord {
  json::object raw;
  std::string run_id;
  std::string process_id;
  Entrypoint entrypoint;
  std::string harness;
  std::string code_hash;
  Writer writer = Writer::current;

  [[nodiscard]] bool is_bare() const { return entrypoint.import_path == kBareProcess; }
  [[nodiscard]] bool non_interactive() const;
  // What the run tells once it is completed. Without one of its own it is a constant that anybody
  // can compute; that is the format's, and so no secret.
  [[nodiscard]] std::string completion_proof() const;
};

// not_found: no run; unsupported: another layout; data_corrupt: members that are missing.
[[nodiscard]] Result<RunRecord> read_run_record(RunFolder const& run);
[[nodiscard]] Result<RunRecord> parse_run_record(json::value value);

[[nodiscard]] std::string new_completion_proof(Random& random);

}  // namespace drover::workflow
