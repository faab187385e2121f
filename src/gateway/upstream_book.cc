#include "gateway/upstream_book.h"

#include "base/log.h"

namespace drover::gateway {

Result<UpstreamSetPtr> UpstreamBook::load() {
  return read_upstream_set(state_folder_, defaults_, variables_, Variables::take);
}

Task<Status> UpstreamBook::reload(ModelProxy& models) {
  if (reloading_) co_return fail(ErrorCode::conflict, "the gateway is being read anew already");
  reloading_ = true;
  struct Done {
    bool* flag;
    ~Done() { *flag = false; }
  };
  Done const done{&reloading_};
  auto set = co_await pool_.run([this]() -> Result<UpstreamSetPtr> {
    return read_upstream_set(state_folder_, defaults_, variables_, Variables::taken);
  });
  if (!set) co_return std::unexpected(set.error());
  if (on_reload_) {
    auto const taken = co_await on_reload_(*set);
    if (!taken) co_return taken;
  }
  models.replace(*set);
  log::info("gateway-loaded", {{"upstreams", (*set)->config.upstreams.size()},
                               {"models", (*set)->config.models.size()}});
  co_return Status{};
}

}  // namespace drover::gateway
