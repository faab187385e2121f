#pragma once
// Other ways to start a program, beside which drover's is measured. One thread.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "figures.h"

namespace drover::bench {

struct Peer {
  std::string name;
  std::vector<std::string> argv;
  int repetitions = 0;
};

// fork-exec always, bwrap where it is installed and works. What is missing gets a line on stderr
// that says how to install it.
[[nodiscard]] std::vector<Peer> start_peers(std::string const& unit_program, Report const& report);
// A container of this image in the engine at `host`.
[[nodiscard]] Peer docker_peer(std::string const& host, std::string const& image,
                               Report const& report);

// From before the start to the first byte on its stdout, in ms; the program has then been reaped.
[[nodiscard]] Result<double> first_output_ms(std::vector<std::string> const& argv);

}  // namespace drover::bench
