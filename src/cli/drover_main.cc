// The executable: the command line, with the server plugged in.
#include "cli/main.h"
#include "server/fleet_sync.h"
#include "server/server.h"

namespace {

int serve(drover::cli::ServeOptions const& options) {
  using drover::broker::QueueStart;
  using drover::server::OwnWorker;
  bool const paused = options.dispatch == drover::cli::Dispatch::paused;
  return drover::server::serve({options.state_folder, options.host, options.port, options.broker,
                                paused ? QueueStart::paused : QueueStart::running,
                                options.own_worker ? OwnWorker::yes : OwnWorker::no,
                                options.labels});
}

int join(drover::cli::JoinOptions const& options) {
  return drover::server::join({.state_folder = options.state_folder,
                               .name = options.name,
                               .url = options.url,
                               .broker = options.broker,
                               .token = options.token,
                               .mode = options.mode,
                               .pools = options.pools,
                               .task_types = options.task_types,
                               .labels = options.labels,
                               .slots = options.slots,
                               .lease = options.lease,
                               .drain = options.drain,
                               .assigned = options.assigned});
}

int serve_model(drover::cli::ModelServeOptions const& options) {
  return drover::server::serve_model({options.script, options.host, options.port});
}

}  // namespace

int main(int argument_count, char** arguments) {
  drover::cli::ServerEntry entry;
  entry.serve = serve;
  entry.join = join;
  entry.serve_model = serve_model;
  entry.schema = drover::server::known_schema;
  entry.sync_fleet = drover::server::sync_fleet;
  return drover::cli::run_command_line(argument_count, arguments, entry);
}
