#include "schedule/request_sender.h"

#include <utility>

namespace drover::schedule {

Task<Result<int>> RequestSender::send(net::ClientRequest request) {
  auto const answer = co_await client_.open(std::move(request));
  if (!answer) co_return std::unexpected(answer.error());
  co_return (*answer)->head().status;
}

}  // namespace drover::schedule
