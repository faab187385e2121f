#pragma once
// The seam between the command line and the server: `drover serve` and `drover model serve` call
// what the executable's main() plugs in here, so that this folder needs no server code.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/time.h"
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
  bool own_worker = true;                       // false: runs wait for workers that join
  std::map<std::string, std::string> labels{};  // of its worker; empty: what the environment says
};

struct JoinOptions {
  std::string state_folder;  // absolute; those of workers are below it
  std::string name;          // of the worker's own; empty: the first free one
  std::string url;
  std::string broker;  // a URL; empty: what DROVER_BROKER says
  Secret token;
  std::string mode;  // empty: as its pool says
  std::vector<std::string> pools;
  std::vector<std::string> task_types;
  std::map<std::string, std::string> labels;
  std::size_t slots = 8;
  Millis lease{90'000};
  Millis drain{30'000};
  bool assigned = false;  // stdin has the claim that it works on
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
  int (*join)(JoinOptions const&) = nullptr;
  int (*serve_model)(ModelServeOptions const&) = nullptr;
  store::SchemaVersions (*schema)() = nullptr;
  // The containers of resident agents, without a server; `agent` empty: all. conflict where one
  // runs.
  Result<json::object> (*sync_fleet)(std::string const& state_folder,
                                     std::string const& agent) = nullptr;
};

}  // namespace drover::cli
