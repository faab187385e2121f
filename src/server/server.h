#pragma once
// The composition root: builds every part of `drover serve`, runs the event loop, and takes it down
// in order. The only place that knows them all.
#include <cstdint>
#include <string>

#include "broker/embedded_queue.h"
#include "store/migrations.h"

namespace drover::server {

struct ServeOptions {
  std::string state_folder;  // absolute; made with mode 0700 where it is missing
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  // Redis's URL; "embedded": none; empty: what DROVER_BROKER says.
  std::string broker;
  // paused: nothing is given out until the queue is resumed; a further start does not know of it.
  broker::QueueStart dispatch = broker::QueueStart::running;
};

// Serves until SIGTERM or SIGINT. Returns the exit code; says on stderr why it could not start.
// Reads ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL and DROVER_BROKER from the environment, and removes
// them from it.
[[nodiscard]] int serve(ServeOptions const& options);

// The newest version of each part of the store that this server knows.
[[nodiscard]] store::SchemaVersions known_schema();

struct ModelServeOptions {
  std::string script;  // absolute path
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
};

// Serves a scripted model as the Anthropic Messages API, for programs under test.
[[nodiscard]] int serve_model(ModelServeOptions const& options);

}  // namespace drover::server
