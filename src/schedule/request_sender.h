#pragma once
// Sends the HTTP requests of firings. Redirects are not followed, and what answers with no more
// than a status is enough: the body of the answer is not read.
//
// On the event loop. Destroying it aborts what is under way.
#include "base/error.h"
#include "net/http_client.h"

namespace drover::schedule {

class RequestSender {
 public:
  RequestSender(boost::asio::io_context& io, net::Reach reach) : client_(io), reach_(reach) {}

  [[nodiscard]] net::Reach reach() const { return reach_; }
  // The status of the answer. Errors as of HttpClient; forbidden: out of reach.
  [[nodiscard]] Task<Result<int>> send(net::ClientRequest request);

 private:
  net::HttpClient client_;
  net::Reach reach_;
};

}  // namespace drover::schedule
