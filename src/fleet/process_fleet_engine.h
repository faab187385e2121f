#pragma once
// The fleet on the process backend: an instance is a sandbox, and its state a folder of this
// server's. They end with the server, and the next one starts them anew over the same state.
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "fleet/engine.h"
#include "fleet/wanted.h"
#include "runtime/process_backend.h"

namespace drover::fleet {

// On the event loop. The backend and the pool outlive its calls; the backend's events may come
// after it is gone.
class ProcessFleetEngine final : public FleetEngine {
 public:
  ProcessFleetEngine(runtime::ProcessBackend& backend, os::BlockingPool& pool, FleetPlaces places);

  [[nodiscard]] std::string_view backend() const override { return "process"; }
  Task<Result<std::vector<Actual>>> list() override;
  Task<Result<std::string>> create(Instance instance, std::string name) override;
  Task<Status> start(std::string container) override;
  Task<Status> freeze(std::string container) override;
  Task<Status> unpause(std::string container) override;
  Task<Status> rename(std::string container, std::string name) override;
  Task<Status> remove(std::string container, Millis grace) override;
  Task<Result<VolumeState>> volume(Instance instance) override;
  Task<Status> make_volume(Instance instance) override;
  Task<Status> wipe_volume(Instance instance) override;
  Task<Result<Vitals>> describe(std::string container) override;
  Task<Result<Usage>> usage(std::string container) override;
  Task<Result<std::string>> logs(std::string container, int lines) override;
  Task<Result<std::unique_ptr<LogStream>>> follow(std::string container, LogStart start) override;
  void watch(std::function<void(EngineNews const&)> told, std::function<bool()> needed) override;
  Task<void> stop() override;

 private:
  struct Entry {
    Actual seen;
    Instance instance;
    std::int64_t starts = 0;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  void hear(runtime::RuntimeEvent const& event);
  Task<void> end(std::string container);
  void tell(EngineNews::Kind kind, std::string const& container, LastEnd end = {}) {
    if (told_) told_({kind, container, end});
  }
  [[nodiscard]] Result<Entries::iterator> find(std::string const& container);

  runtime::ProcessBackend& backend_;
  os::BlockingPool& pool_;
  FleetPlaces places_;
  std::string server_;  // which of this machine's
  Entries entries_;     // by the id of the workload
  std::int64_t made_ = 0;
  std::function<void(EngineNews const&)> told_{};
  // The backend's listener looks whether there is still somebody to tell.
  std::shared_ptr<ProcessFleetEngine*> self_;
};

// The last `lines` of a text.
[[nodiscard]] std::string last_lines(std::string text, int lines);

}  // namespace drover::fleet
