#include "api/dispatched_reply.h"

#include <fmt/format.h>

#include <utility>

#include <boost/json.hpp>

#include "api/replies.h"

namespace drover::api {

json::object to_json(worker::Dispatched const& dispatched) {
  worker::RunRecord const& run = dispatched.run;
  json::object object{{"run", json::string{run.id.str()}},
                      {"session", json::string{run.session.str()}},
                      {"state", contract::to_string(run.state)},
                      {"events", json::string{fmt::format("/api/v1/sessions/{}/runs/{}/events",
                                                          run.session, run.id)}},
                      {"duplicate", dispatched.kind == worker::Dispatched::Kind::duplicate}};
  if (run.state == contract::RunState::queued && !run.detail.empty())
    object["detail"] = json::string{run.detail};
  return object;
}

Task<Status> reply_dispatched(net::HttpReply& reply, worker::Dispatched dispatched) {
  net::Headers headers{{"location", fmt::format("/api/v1/runs/{}", dispatched.run.id)}};
  co_return co_await reply_json(reply, 202, to_json(dispatched), std::move(headers));
}

}  // namespace drover::api
