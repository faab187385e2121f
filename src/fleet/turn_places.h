#pragma once
// The instances that run, as those see them who hand them work. On the event loop.
#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "os/blocking_pool.h"

namespace drover::fleet {

struct TurnPlace {
  std::string name{};
  std::string agent{};
  pid_t program = -1;  // of the host; changes when its container is started again
  uid_t uid = 0;       // of its program, on the host
  std::string line_folder{};
  bool walls_required = false;  // its program puts what it starts behind Landlock, or refuses
};

class TurnPlaces {
 public:
  virtual ~TurnPlaces() = default;

  [[nodiscard]] virtual std::vector<TurnPlace> open() const = 0;
  // Why an agent has none: for the sentence of whoever waits.
  [[nodiscard]] virtual std::string why_none(std::string_view agent) const = 0;
  // Told when one comes, goes, or has another program.
  virtual void on_changed(std::function<void()> listener) = 0;

  // Nothing runs in it once this returns; the reconciler leaves it as it is until it is thawed.
  virtual Task<Status> freeze(std::string instance) = 0;
  virtual Task<Status> thaw(std::string instance) = 0;
  // No turn can be had in it any more, for what an earlier one left does not go away: it is made
  // anew. `program` says which of its lives that was.
  virtual void replace(std::string const& instance, pid_t program) = 0;
};

}  // namespace drover::fleet
