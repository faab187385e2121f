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
#include "chaos_worker.h"
#include "figures.h"
#include "machine.h"

namespace drover::bench {

// What a blow falls on.
enum class Victim : std::uint8_t {
  unit,
  server,
  both,
  starting_server,  // dead before it serves
  worker,           // one that is a process of its own
  worker_and_unit,
};

// Who works on the runs.
enum class Workers : std::uint8_t {
  own,     // the server's
  joined,  // two beside it, a daemon and a hybrid
};

struct SceneOptions {
  std::vector<std::string> variables{};  // of the server's environment
  Workers workers = Workers::own;
  std::string broker{};  // Redis's URL, for server and workers; empty: none
};

class ChaosScene {
 public:
  // `scratch` outlives the scene.
  [[nodiscard]] static Result<std::unique_ptr<ChaosScene>> open(Scratch const& scratch,
                                                                std::uint64_t seed,
                                                                SceneOptions const& options = {});

  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] ApiServer& server() { return *server_; }
  // A time below `bound` in which the clients go on.
  [[nodiscard]] Status wait_below(Millis bound);
  // After a server or worker died the next one serves.
  [[nodiscard]] Status strike(Victim victim);

  // Lets the clients see the ends of their runs, reads what is held, stops the server, and reports
  // the case. Lines of leftovers_of that begin as one of `own` are of the case itself. An error
  // when something was lost, doubled or left.
  [[nodiscard]] Status close(Report& report, std::string_view name, int cycles,
                             std::vector<std::string> const& own = {});

 private:
  ChaosScene(Scratch const& scratch, std::uint64_t seed);
  [[nodiscard]] Status prepare(SceneOptions const& options);
  [[nodiscard]] Status start_workers(std::string const& broker);
  [[nodiscard]] Status kill_a_unit();
  [[nodiscard]] Status kill_a_worker();
  [[nodiscard]] Status restart();

  Scratch const& scratch_;
  std::uint64_t const seed_;
  SeededRandom random_;
  std::unique_ptr<ApiServer> server_;
  std::vector<ChaosWorker> workers_;
  std::vector<std::string> folders_;
  Guarded<Book> book_;
  std::optional<ChaosClients> clients_;
};

}  // namespace drover::bench
