#pragma once
// The composition root: builds every part of `drover serve`, runs the event loop, and takes it down
// in order. The only place that knows them all.
#include <cstdint>
#include <string>
#include <vector>

#include "base/secret.h"
#include "base/time.h"
#include "broker/embedded_queue.h"
#include "store/migrations.h"

namespace drover::server {

enum class OwnWorker : std::uint8_t {
  yes,
  no,  // runs wait for workers that join
};

struct ServeOptions {
  std::string state_folder;  // absolute; made with mode 0700 where it is missing
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  // Redis's URL; "embedded": none; empty: what DROVER_BROKER says.
  std::string broker;
  // paused: nothing is given out until the queue is resumed; a further start does not know of it.
  broker::QueueStart dispatch = broker::QueueStart::running;
  OwnWorker own_worker = OwnWorker::yes;
  broker::Labels labels{};  // of its own worker; empty: what DROVER_WORKER_LABELS says
};

// Serves until SIGTERM or SIGINT. Returns the exit code; says on stderr why it could not start.
// Reads the providers' keys and addresses and DROVER_BROKER from the environment, and removes them
// from it. SIGHUP reads the gateway's files anew.
[[nodiscard]] int serve(ServeOptions const& options);

struct JoinOptions {
  std::string state_folder;  // absolute; those of workers are below it
  std::string name;          // of the worker's own state folder; empty: the first that is free
  std::string url;           // of the server
  std::string broker;        // the server's Redis; empty: what DROVER_BROKER says
  Secret token;
  std::string mode;  // empty: as its pool says, else daemon
  std::vector<std::string> pools;
  std::vector<std::string> task_types;  // empty: as its pool says, else any
  // empty: what DROVER_WORKER_LABELS says, else as its pool says
  broker::Labels labels;
  std::size_t slots = 8;
  Millis lease{90'000};
  Millis drain{30'000};
  // Works on the one claim that stdin has, for a worker that started this process.
  bool assigned = false;
};

// Works on runs of the server at `url` until SIGTERM or SIGINT, or until its mode's work is done.
// Returns the exit code; says on stderr why it could not start.
[[nodiscard]] int join(JoinOptions const& options);

// The newest version of each part of the store that this server knows.
[[nodiscard]] store::SchemaVersions known_schema();

struct ModelServeOptions {
  std::string script;  // absolute path
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
};

// Serves a scripted model in the wire formats of Anthropic and OpenAI, for programs under test.
[[nodiscard]] int serve_model(ModelServeOptions const& options);

}  // namespace drover::server
