#include "runtime/backend_chooser.h"

#include <map>
#include <utility>

#include "base/check.h"

namespace drover::runtime {

BackendChooser::BackendChooser(std::vector<std::unique_ptr<Runtime>> backends)
    : backends_(std::move(backends)) {
  DROVER_CHECK(!backends_.empty());
}

void BackendChooser::add(std::unique_ptr<Runtime> backend) {
  backends_.push_back(std::move(backend));
}

std::string_view BackendChooser::backend() const {
  return backends_.front()->backend();
}

std::vector<std::string_view> BackendChooser::backends() const {
  std::vector<std::string_view> names;
  for (auto const& backend : backends_)
    names.push_back(backend->backend());
  return names;
}

Task<Status> BackendChooser::check() {
  co_return co_await backends_.front()->check();
}

Runtime* BackendChooser::owner_of(WorkloadId const& id) const {
  Runtime* ended = nullptr;
  for (auto const& backend : backends_) {
    auto const status = backend->status(id);
    if (status && is_live(status->state)) return backend.get();
    if (status) ended = backend.get();
  }
  return ended;
}

Result<Runtime*> BackendChooser::require_owner(WorkloadId const& id) const {
  Runtime* const owner = owner_of(id);
  if (owner == nullptr) return fail(ErrorCode::not_found, "there is no workload {}", id);
  return owner;
}

Result<Runtime*> BackendChooser::named(std::string const& name) const {
  if (name.empty()) return backends_.front().get();
  std::vector<std::string_view> known;
  for (auto const& backend : backends_) {
    if (backend->backend() == name) return backend.get();
    known.push_back(backend->backend());
  }
  return fail_next(
      ErrorCode::unsupported,
      fmt::format("this server has no backend {}; it has {}", name, fmt::join(known, ", ")),
      "name another in the agent or the workload, or set DROVER_BACKEND");
}

Task<Result<WorkloadStatus>> BackendChooser::start(WorkloadSpec spec) {
  auto const chosen = named(spec.backend);
  if (!chosen) co_return std::unexpected(chosen.error());
  Runtime* const owner = owner_of(spec.id);
  if (owner != nullptr && owner != *chosen) {
    auto const known = owner->status(spec.id);
    if (known && is_live(known->state))
      co_return fail(ErrorCode::conflict, "workload {} runs already with another backend", spec.id);
    // What is known of it from here on is of the backend that has it now.
    auto const forgotten = co_await owner->destroy(spec.id);
    if (!forgotten) co_return std::unexpected(forgotten.error());
  }
  co_return co_await (*chosen)->start(std::move(spec));
}

Task<Result<WorkloadStatus>> BackendChooser::stop(WorkloadId id, StopReason reason, Millis grace) {
  auto const owner = require_owner(id);
  if (!owner) co_return std::unexpected(owner.error());
  co_return co_await (*owner)->stop(std::move(id), reason, grace);
}

Task<Status> BackendChooser::destroy(WorkloadId id) {
  Runtime* const owner = owner_of(id);
  if (owner == nullptr) co_return Status{};
  co_return co_await owner->destroy(std::move(id));
}

Task<Status> BackendChooser::freeze(WorkloadId id) {
  auto const owner = require_owner(id);
  if (!owner) co_return std::unexpected(owner.error());
  co_return co_await (*owner)->freeze(std::move(id));
}

Task<Status> BackendChooser::thaw(WorkloadId id) {
  auto const owner = require_owner(id);
  if (!owner) co_return std::unexpected(owner.error());
  co_return co_await (*owner)->thaw(std::move(id));
}

// Each keeps its own; the first error is told.
Task<Status> BackendChooser::keep_warm(std::vector<WarmWish> wishes) {
  Status outcome;
  std::map<Runtime*, std::vector<WarmWish>> shares;
  for (auto& wish : wishes) {
    auto const chosen = named(wish.spec.backend);
    if (chosen)
      shares[*chosen].push_back(std::move(wish));
    else if (outcome)
      outcome = std::unexpected(chosen.error());
  }
  for (auto const& backend : backends_) {
    auto const kept = co_await backend->keep_warm(std::move(shares[backend.get()]));
    if (!kept && outcome) outcome = kept;
  }
  co_return outcome;
}

Task<Result<std::string>> BackendChooser::output(WorkloadId id) {
  auto const owner = require_owner(id);
  if (!owner) co_return std::unexpected(owner.error());
  co_return co_await (*owner)->output(std::move(id));
}

Result<WorkloadStatus> BackendChooser::touch(WorkloadId const& id) {
  auto const owner = require_owner(id);
  if (!owner) return std::unexpected(owner.error());
  return (*owner)->touch(id);
}

Result<WorkloadStatus> BackendChooser::status(WorkloadId const& id) const {
  auto const owner = require_owner(id);
  if (!owner) return std::unexpected(owner.error());
  return (*owner)->status(id);
}

Result<os::CgroupUsage> BackendChooser::usage(WorkloadId const& id) const {
  auto const owner = require_owner(id);
  if (!owner) return std::unexpected(owner.error());
  return (*owner)->usage(id);
}

std::vector<WorkloadStatus> BackendChooser::list() const {
  std::vector<WorkloadStatus> all;
  for (auto const& backend : backends_)
    for (auto& status : backend->list())
      all.push_back(std::move(status));
  return all;
}

bool BackendChooser::adopt(WorkloadSpec const& spec, WallTime started_at) {
  auto const chosen = named(spec.backend);
  return chosen && (*chosen)->adopt(spec, started_at);
}

// Each does what it can; the first error is told.
Status BackendChooser::recover() {
  Status outcome;
  for (auto const& backend : backends_)
    if (auto const recovered = backend->recover(); !recovered && outcome) outcome = recovered;
  return outcome;
}

void BackendChooser::on_event(std::function<void(RuntimeEvent const&)> listener) {
  for (auto const& backend : backends_)
    backend->on_event(listener);
}

}  // namespace drover::runtime
