#pragma once
// One case of `chaos`: a server over its own state, repositories, the clients that use it, and what
// can be done to it. One thread; `close` says what became of it all.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api_server.h"
#include "base/guarded.h"
#include "base/random.h"
#include "chaos_clients.h"
#include "figures.h"
#include "machine.h"

namespace drover::bench {

// What a blow falls on. A worker that is a process of its own is a further one, which strike()
// then kills and starts again as it does the server.
enum class Victim : std::uint8_t {
  unit,
  server,
  both,
  starting_server,  // dead before it serves
};

class ChaosScene {
 public:
  // The server's environment has `variables`; `scratch` outlives the scene.
  [[nodiscard]] static Result<std::unique_ptr<ChaosScene>> open(
      Scratch const& scratch, std::uint64_t seed, std::vector<std::string> const& variables = {});

  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] ApiServer& server() { return *server_; }
  // A time below `bound` in which the clients go on.
  [[nodiscard]] Status wait_below(Millis bound);
  // After a server died the next one serves.
  [[nodiscard]] Status strike(Victim victim);

  // Lets the clients see the ends of their runs, reads what is held, stops the server, and reports
  // the case. Lines of leftovers_of that begin as one of `own` are of the case itself. An error
  // when something was lost, doubled or left.
  [[nodiscard]] Status close(Report& report, std::string_view name, int cycles,
                             std::vector<std::string> const& own = {});

 private:
  ChaosScene(Scratch const& scratch, std::uint64_t seed);
  [[nodiscard]] Status prepare(std::vector<std::string> const& variables);
  [[nodiscard]] Status kill_a_unit();
  [[nodiscard]] Status restart();

  Scratch const& scratch_;
  std::uint64_t const seed_;
  SeededRandom random_;
  std::unique_ptr<ApiServer> server_;
  std::vector<std::string> folders_;
  Guarded<Book> book_;
  std::optional<ChaosClients> clients_;
};

}  // namespace drover::bench
