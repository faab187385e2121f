// `drover` as the tests run it: the real command line, with a canned server behind `serve`.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "cli/main.h"
#include "cli/testing/fake_api_server.h"
#include "os/files.h"

namespace {

int serve(drover::cli::ServeOptions const& options) {
  if (std::getenv("FAKE_SERVER_FAILS") != nullptr) {
    std::fputs("drover: the port 80 is in use\n", stderr);
    return 1;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  drover::cli::FakeApiServer const server{"secret"};
  server.publish(options.state_folder);
  int signal = 0;
  sigwait(&signals, &signal);
  return std::remove((options.state_folder + "/server.json").c_str());
}

int serve_model(drover::cli::ModelServeOptions const& options) {
  std::printf("%s %s %d\n", options.script.c_str(), options.host.c_str(), options.port);
  return 0;
}

}  // namespace

int main(int argument_count, char** arguments) {
  return drover::cli::run_command_line(argument_count, arguments,
                                       {.serve = serve, .serve_model = serve_model});
}
