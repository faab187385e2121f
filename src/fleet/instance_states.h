#pragma once
// What outlives every container: whose each name is, its user on the host, and its state. Here they
// are written down, made, and taken away for good. On the event loop; one call that changes
// anything at a time.
#include <cstddef>
#include <functional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "fleet/engine.h"
#include "fleet/wanted.h"
#include "store/writer.h"

namespace drover::fleet {

// Of the host; each instance has one of its own, for good.
struct UserRange {
  uid_t first = 400'000;
  uid_t count = 65'536;
};

// A row for each instance that has none, with a user that is nobody else's; without users where
// drover is not root. Pure. too_large where all are taken.
[[nodiscard]] Result<KnownInstances> newcomers(Wanted const& wanted, KnownInstances const& known,
                                               UserRange users, bool root);

class InstanceStates {
 public:
  // Makes what an instance needs on the host before its container; the other takes it away again.
  using OnHost = std::function<Task<Status>(Instance)>;

  InstanceStates(store::Writer& writer, Clock const& clock, OnHost prepare_host, OnHost wipe_host,
                 UserRange users);

  [[nodiscard]] Status load(store::Database& database);
  [[nodiscard]] KnownInstances const& known() const { return known_; }

  // Before anything of an instance is made: what is made is then known to be ours, whatever
  // happens. How many are new.
  Task<Result<std::size_t>> remember(Wanted wanted);
  // A state that was made once is never made again: it would be empty, and nobody would know.
  Task<Status> make(FleetEngine& engine, Instance instance);
  // For good. conflict while it has a container.
  Task<Status> wipe(FleetEngine& engine, std::string instance);

 private:
  Task<Status> note_made(std::string instance, bool made);

  store::Writer& writer_;
  Clock const& clock_;
  OnHost prepare_host_;
  OnHost wipe_host_;
  UserRange users_;
  KnownInstances known_;
};

}  // namespace drover::fleet
