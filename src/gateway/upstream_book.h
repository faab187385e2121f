#pragma once
// Keeps the upstreams of the server as its files say them: read at the start, and anew when
// somebody asks. On the event loop.
#include <functional>
#include <string>
#include <utility>

#include "base/error.h"
#include "gateway/model_proxy.h"
#include "gateway/upstream_set.h"
#include "os/blocking_pool.h"

namespace drover::gateway {

class UpstreamBook {
 public:
  UpstreamBook(std::string state_folder, UpstreamDefaults defaults, os::BlockingPool& pool)
      : state_folder_(std::move(state_folder)), defaults_(std::move(defaults)), pool_(pool) {}

  // Once, at start, while the process has one thread that looks at the environment.
  [[nodiscard]] Result<UpstreamSetPtr> load();
  // Awaited with what a reload has read, before it holds; an error lets nothing of it hold.
  using OnReload = std::function<Task<Status>(UpstreamSetPtr)>;
  void on_reload(OnReload handler) { on_reload_ = std::move(handler); }
  // Calls that begin after it see the new ones. An error changes nothing. conflict while another
  // reload is under way.
  Task<Status> reload(ModelProxy& models);

 private:
  std::string state_folder_;
  UpstreamDefaults defaults_;
  TakenVariables variables_;
  os::BlockingPool& pool_;
  OnReload on_reload_;
  bool reloading_ = false;
};

}  // namespace drover::gateway
