#pragma once
// Keeps the containers that agents ask for ahead of need (`warm`), and follows what changes of the
// agents. On the event loop.
#include "os/async_event.h"
#include "worker/services.h"

namespace drover::worker {

class WarmUnits {
 public:
  explicit WarmUnits(Services const& services);

  // Until stop(); then none is left.
  Task<void> run();
  void stop();
  // The agents have changed.
  void look_again() { changed_.notify(); }

 private:
  [[nodiscard]] std::vector<runtime::WarmWish> wishes() const;
  Task<void> keep(std::vector<runtime::WarmWish> wishes);

  Services const& services_;
  bool stopping_ = false;
  os::AsyncEvent changed_;
};

}  // namespace drover::worker
