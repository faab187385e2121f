#pragma once
// The only way from a unit to a model: speaks the wire formats of Anthropic and OpenAI to the unit
// and upstream, adds the real key outside the sandbox, meters every answer, and refuses the call
// that would pass the budget. Scripted models answer here too, in the same bytes.
//
// Used on the event loop.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "base/time.h"
#include "gateway/budget.h"
#include "gateway/metered_reply.h"
#include "gateway/model_route.h"
#include "gateway/request_head.h"
#include "gateway/upstream_set.h"
#include "model/pricing.h"
#include "model/scripted.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "os/blocking_pool.h"

namespace drover::gateway {

// A model that can be called: its route, and its price where one is known.
struct ReadyModel {
  ModelRoute route;
  std::optional<model::Price> price;
};

// One metered call, for the run's account and its usage event.
struct CallReport {
  int status = 0;  // what the unit was told; 0 where the connection was lost before
  model::Usage usage;
  std::int64_t cost_microdollars = 0;
  Millis duration{0};
  // The answer ended before it said what it used: the estimate was booked.
  bool estimated = false;
};

// Whether `POST <path>` is a call of a model; of these only those of a wire format cost anything.
[[nodiscard]] bool is_model_path(std::string_view path);

class ModelProxy {
 public:
  ModelProxy(boost::asio::io_context& io, os::BlockingPool& pool, Clock const& clock,
             UpstreamSetPtr upstreams);

  // Calls that begin from here on see these.
  void replace(UpstreamSetPtr upstreams) { upstreams_ = std::move(upstreams); }
  [[nodiscard]] UpstreamSetPtr upstreams() const { return upstreams_; }

  // Checks a model's name before a run is accepted: an unknown upstream, a missing key, a script
  // that cannot be read or parsed.
  Task<Result<ReadyModel>> prepare(std::string name);
  // Whether a model answers in this format; scripted ones do in all.
  [[nodiscard]] bool speaks(ReadyModel const& model, model::WireFormat format) const;

  // Awaited once the call's reservation stands in the budget, and before anything is sent upstream;
  // an error refuses the call.
  using OnReserved = std::function<Task<Status>()>;
  // Answers one POST of a unit whose path is_model_path(). `session` separates the fault counts of
  // scripts. `model` and `budget` outlive the call.
  Task<CallReport> serve(net::HttpRequest request, net::HttpReply& reply, ReadyModel const& model,
                         Budget& budget, std::string session, OnReserved on_reserved);

  // Answers a call that may not be made, in the shape of its format.
  static Task<Status> refuse(net::HttpRequest const& request, net::HttpReply& reply, int status,
                             std::string type, std::string message);

 private:
  struct Script {
    std::string digest;
    std::shared_ptr<model::ScriptedModel const> model;  // shared with calls under way
    std::shared_ptr<model::ScriptedAttempts> attempts;  // likewise
  };
  struct Call {
    net::HttpRequest request;
    MeteredReply reply;
    RequestHead head;
    ReadyModel const* model = nullptr;
    std::string session;
    UpstreamSetPtr upstreams;  // those of the call's beginning
  };

  Task<Status> serve_scripted(Call& call);
  Task<Status> serve_upstream(Call& call);
  Task<Status> pass_on(Call& call, Upstream const& upstream, net::ResponseStream& answer);
  Task<Status> count_tokens(Call& call);
  Task<Result<Script>> load_script(std::string path);

  os::BlockingPool& pool_;
  Clock const& clock_;
  UpstreamSetPtr upstreams_;
  net::HttpClient client_;
  std::map<std::string, Script> scripts_;  // by path
};

}  // namespace drover::gateway
