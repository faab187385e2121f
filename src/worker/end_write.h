#pragma once
// Writes that end what has begun, and so may use the disk reserve.
#include <type_traits>
#include <utility>

#include "worker/services.h"

namespace drover::worker {

// As Writer::run(). A try that fails for want of room has made the reserve's room, so it is
// followed by another; `work` is copied for it.
template <class Work>
Task<std::invoke_result_t<Work&, store::Transaction&>> write_of_end(Services const& services,
                                                                    Work work) {
  auto first = co_await services.writer.run(work);
  if (first || first.error().code != ErrorCode::no_space) co_return first;
  co_return co_await services.writer.run(std::move(work));
}

}  // namespace drover::worker
