#pragma once
// The reconciler's instances as places for turns: which process of the host the program of each is,
// and back to the reconciler what that program says of itself. On the event loop.
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "fleet/reconciler.h"
#include "fleet/resident_backend.h"
#include "fleet/turn_places.h"
#include "os/async_event.h"
#include "os/task_group.h"

namespace drover::fleet {

class InstancePlaces final : public TurnPlaces {
 public:
  InstancePlaces(boost::asio::any_io_executor const& executor, Reconciler& reconciler);

  // What `backend` hears goes to the reconciler. Both outlive their last event.
  void connect(ResidentBackend& backend);
  Task<void> stop();

  [[nodiscard]] std::vector<TurnPlace> open() const override;
  [[nodiscard]] std::string why_none(std::string_view agent) const override;
  void on_changed(std::function<void()> listener) override { changed_ = std::move(listener); }
  Task<Status> freeze(std::string instance) override;
  Task<Status> thaw(std::string instance) override;
  void replace(std::string const& instance, pid_t program) override;

 private:
  void hear(LiveInstance const& instance, LiveChange change);
  Task<void> recognise(LiveInstance instance, std::uint64_t coming);

  Reconciler& reconciler_;
  std::map<std::string, TurnPlace, std::less<>> places_;
  std::map<std::string, std::uint64_t, std::less<>> comings_;  // the last of each that lives
  std::uint64_t coming_ = 0;
  std::function<void()> changed_ = [] {};
  bool stopping_ = false;
  os::AsyncEvent stopped_;
  os::TaskGroup tasks_;
};

}  // namespace drover::fleet
