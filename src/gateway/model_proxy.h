#pragma once
// The only way from a unit to a model: speaks the wire formats of Anthropic and OpenAI to the unit
// and upstream, adds the real key outside the sandbox, meters every answer, and refuses the call
// that would pass the budget. Scripted models answer here too, in the same bytes.
//
// Used on the event loop.
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "base/time.h"
#include "gateway/account.h"
#include "gateway/metered_reply.h"
#include "gateway/model_route.h"
#include "gateway/request_head.h"
#include "gateway/upstream_lanes.h"
#include "gateway/upstream_set.h"
#include "model/pricing.h"
#include "model/scripted.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "os/blocking_pool.h"

namespace drover::gateway {

struct PricedRoute {
  ModelRoute route;
  std::optional<model::Price> price;  // where one is known
};

// A model that can be called, and those that answer where it cannot.
struct ReadyModel {
  ModelRoute route;
  std::optional<model::Price> price;
  std::vector<PricedRoute> fallbacks;
};

// One metered call, for the run's account and its usage event.
struct CallReport {
  int status = 0;  // what the unit was told; 0 where the connection was lost before
  model::Usage usage;
  std::int64_t cost_microdollars = 0;
  std::string model;  // that answered, as its upstream names it
  Millis duration{0};
  // The answer ended before it said what it used: the estimate was booked.
  bool estimated = false;
};

// Whether `POST <path>` is a call of a model; of these only those of a wire format cost anything.
[[nodiscard]] bool is_model_path(std::string_view path);

class ModelProxy {
 public:
  ModelProxy(boost::asio::io_context& io, os::BlockingPool& pool, Clock const& clock,
             Random& random, UpstreamSetPtr upstreams);

  // Calls that begin from here on see these.
  void replace(UpstreamSetPtr upstreams) { upstreams_ = std::move(upstreams); }
  [[nodiscard]] UpstreamSetPtr upstreams() const { return upstreams_; }

  // Checks a model's name before a run is accepted: an unknown upstream, a missing key, a script
  // that cannot be read or parsed. `fallbacks` are names, tried before those of the configuration.
  Task<Result<ReadyModel>> prepare(std::string name, std::vector<std::string> fallbacks = {});
  // Whether a model answers in this format; scripted ones do in all.
  [[nodiscard]] bool speaks(ReadyModel const& model, model::WireFormat format) const;

  // Answers one POST of a unit whose path is is_model_path(). `session` separates the fault counts
  // of scripts. `model` and `account` outlive the call.
  Task<CallReport> serve(net::HttpRequest request, net::HttpReply& reply, ReadyModel const& model,
                         CallAccount& account, std::string session);
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
    UpstreamSetPtr upstreams;             // those of the call's beginning
    std::vector<PricedRoute> candidates;  // in the order in which they are tried
    std::size_t used = 0;                 // of these, the one that answers
  };
  // Why a try gave no answer that the unit has seen anything of.
  struct Failed {
    int status = 502;
    net::Headers headers;
    std::string body;
    model::Failure failure;
    UpstreamOutcome outcome;
    bool client_gone = false;
  };
  using Tried = std::expected<Status, Failed>;  // Status: how it went once the answer had begun

  [[nodiscard]] std::vector<PricedRoute> candidates_of(ReadyModel const& model,
                                                       model::WireFormat format) const;
  Task<Result<PricedRoute>> priced(ModelRoute route);
  Task<Status> answer(Call& call);
  Task<Status> serve_scripted(Call& call, ModelRoute const& route);
  // The calls of one upstream, until one is answered or there is no point in another.
  Task<Tried> try_upstream(Call& call, ModelRoute const& route);
  [[nodiscard]] static Failed refused_by(Upstream const& upstream,
                                         UpstreamLanes::Refusal const& refusal);
  Task<Failed> read_failure(Upstream const& upstream, net::ResponseStream& stream, Secret key);
  Task<Tried> try_once(Call& call, Upstream const& upstream, ModelRoute const& route,
                       UpstreamLanes::Pass& pass);
  Task<Status> pass_on(Call& call, net::ResponseStream& stream, std::string first,
                       UpstreamLanes::Pass& pass);
  Task<Status> count_tokens(Call& call);
  Task<Result<Script>> load_script(std::string path);

  os::BlockingPool& pool_;
  Clock const& clock_;
  Random& random_;
  UpstreamSetPtr upstreams_;
  UpstreamLanes lanes_;
  net::HttpClient client_;
  std::map<std::string, Script> scripts_;  // by path
};

}  // namespace drover::gateway
