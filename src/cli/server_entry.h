#pragma once
// The seam between the command line and the server: `drover serve` and `drover model serve` call
// what the executable's main() plugs in here, so that this folder needs no server code.
#include <cstdint>
#include <string>

#include "store/migrations.h"

namespace drover::cli {

// What waits is given out at once, or once the queue is resumed.
enum class Dispatch : std::uint8_t { running, paused };

struct ServeOptions {
  std::string state_folder;  // absolute; the server creates it (mode 0700) where it is missing
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  std::string broker;      // a URL; empty: what DROVER_BROKER says
  Dispatch dispatch = Dispatch::running;
};

struct ModelServeOptions {
  std::string script;  // absolute path of the scripted model's file
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
};

// Each runs in the foreground until SIGTERM or SIGINT and returns the process's exit code; it
// reports its own errors on stderr. `schema` says which store this server knows. Null: this build
// does not have it.
struct ServerEntry {
  int (*serve)(ServeOptions const&) = nullptr;
  int (*serve_model)(ModelServeOptions const&) = nullptr;
  store::SchemaVersions (*schema)() = nullptr;
};

}  // namespace drover::cli
