#include "gateway/model_proxy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "gateway/request_head.h"
#include "os/files.h"

namespace drover::gateway {

namespace {

constexpr std::size_t kScriptBytesMax = std::size_t{16} << 20U;
constexpr std::size_t kErrorBodyBytesMax = std::size_t{64} << 10U;
constexpr std::int64_t kBytesPerTokenMin = 3;  // of a request, for the estimate

// What the call costs at the most: the whole request as fresh input, the answer at its limit.
std::int64_t estimate(std::optional<model::Price> const& price, std::size_t request_bytes,
                      std::int64_t tokens_max) {
  if (!price) return 0;
  model::Usage usage;
  usage.input = static_cast<std::int64_t>(request_bytes) / kBytesPerTokenMin;
  usage.output = tokens_max;
  return model::cost_microdollars(*price, usage);
}

// The key must not come back in an error that the upstream echoes.
std::string without(std::string text, Secret const& key) {
  if (key.empty()) return text;
  for (auto at = text.find(key.reveal()); at != std::string::npos; at = text.find(key.reveal()))
    text.replace(at, key.reveal().size(), "***");
  return text;
}

net::Headers for_unit(net::Headers const& upstream) {
  constexpr std::array<std::string_view, 5> kPassed = {
      "content-type", "retry-after", "retry-after-ms", "request-id", "x-should-retry"};
  net::Headers headers;
  for (std::string_view const name : kPassed) {
    auto const* const value = upstream.find(name);
    if (value != nullptr) headers.add(std::string{name}, *value);
  }
  return headers;
}

}  // namespace

ModelProxy::ModelProxy(boost::asio::io_context& io, os::BlockingPool& pool, Clock const& clock,
                       UpstreamOptions options)
    : pool_(pool), clock_(clock), options_(std::move(options)), client_(io) {}

Task<Result<ModelProxy::Script>> ModelProxy::load_script(std::string path) {
  struct Loaded {
    std::string digest;
    std::shared_ptr<model::ScriptedModel const> model;
  };
  auto const known = scripts_.find(path);
  std::string known_digest = known == scripts_.end() ? std::string{} : known->second.digest;
  auto loaded = co_await pool_.run([path, known_digest]() -> Result<Loaded> {
    auto text = os::read_file(path, kScriptBytesMax);
    if (!text) return std::unexpected(text.error());
    Loaded result{sha256_hex(*text), nullptr};
    if (result.digest == known_digest) return result;
    auto parsed = model::ScriptedModel::parse(*text);
    if (!parsed) {
      Error error = parsed.error();
      error.message = fmt::format("the scripted model {}: {}", path, error.message);
      return std::unexpected(std::move(error));
    }
    result.model = std::make_shared<model::ScriptedModel const>(*std::move(parsed));
    return result;
  });
  if (!loaded) co_return std::unexpected(loaded.error());
  if (loaded->model == nullptr) co_return scripts_.at(path);
  Script script{loaded->digest, loaded->model, std::make_shared<model::ScriptedAttempts>()};
  scripts_.insert_or_assign(path, script);
  co_return script;
}

Task<Result<ReadyModel>> ModelProxy::prepare(std::string name) {
  auto route = parse_model_name(name);
  if (!route) co_return std::unexpected(route.error());
  ReadyModel ready{*std::move(route), std::nullopt};
  if (ready.route.provider == ModelRoute::Provider::scripted) {
    auto script = co_await load_script(ready.route.script);
    if (!script) {
      Error error = script.error();
      if (error.code == ErrorCode::not_found) error.code = ErrorCode::invalid_argument;
      co_return std::unexpected(std::move(error));
    }
    ready.price = script->model->price();
    co_return ready;
  }
  if (options_.anthropic_key.empty())
    co_return fail_next(
        ErrorCode::invalid_argument,
        fmt::format("the model {} needs an API key, and the server has none", name),
        "start the server with ANTHROPIC_API_KEY set (drover down, then drover up)");
  ready.price = model::find_price(ready.route.model);
  co_return ready;
}

Task<CallReport> ModelProxy::serve(net::HttpRequest request, net::HttpReply& reply,
                                   ReadyModel const& model, Budget& budget, std::string session,
                                   OnReserved on_reserved) {
  auto const started = clock_.boot_now();
  CallReport report;
  Call call{std::move(request), MeteredReply{reply}, &model, std::move(session)};
  auto const head = read_request_head(call.request.body);
  if (!head) {
    co_await call.reply.error(400, "invalid_request_error", head.error().text());
    report.status = 400;
    co_return report;
  }
  std::int64_t const reserved = estimate(model.price, call.request.body.size(), head->max_tokens);
  auto const allowed = budget.reserve(reserved);
  if (!allowed) {
    co_await call.reply.error(402, "budget_exhausted", allowed.error().text());
    report.status = 402;
    co_return report;
  }
  // Whatever ends the call, also its cancellation, the reservation is settled.
  struct Settlement {
    Budget* budget;
    MeteredReply const* reply;
    std::optional<model::Price> price;
    std::int64_t reserved;
    CallReport* report;
    bool settled = false;
    void settle() {
      settled = true;
      report->status = reply->status();
      report->usage = reply->usage();
      report->estimated = !reply->usage_known();
      report->cost_microdollars =
          report->estimated ? reserved
                            : (price ? model::cost_microdollars(*price, report->usage) : 0);
      budget->settle(reserved, report->cost_microdollars);
      budget->add(report->usage);
    }
    ~Settlement() {
      if (!settled) settle();
    }
  };
  Settlement settlement{&budget, &call.reply, model.price, reserved, &report};
  auto const noted = co_await on_reserved();
  Status done;
  if (!noted) {
    done = co_await call.reply.error(http_status(noted.error().code), "api_error",
                                     noted.error().text());
  } else if (head->model != model.route.model) {
    std::string message = fmt::format("this run uses the model {}, not {}", model.route.model,
                                      printable(head->model));
    done = co_await call.reply.error(403, "permission_error", std::move(message));
  } else if (model.route.provider == ModelRoute::Provider::scripted) {
    done = co_await serve_scripted(call);
  } else {
    done = co_await serve_anthropic(call);
  }
  if (!done) log::debug("model-call-cut", {{"reason", done.error().text()}});
  settlement.settle();
  report.duration = std::chrono::duration_cast<Millis>(clock_.boot_now() - started);
  co_return report;
}

Task<Status> ModelProxy::serve_scripted(Call& call) {
  std::string path = call.model->route.script;
  auto script = co_await load_script(std::move(path));
  if (!script) {
    std::string message = script.error().text();
    co_return co_await call.reply.error(500, "api_error", std::move(message));
  }
  model::Plan plan = script->model->answer(call.request.body, call.session, *script->attempts);
  co_return co_await play_plan(std::move(plan), call.reply, options_.timeouts.head);
}

Task<Status> ModelProxy::serve_anthropic(Call& call) {
  net::ClientRequest upstream;
  upstream.method = "POST";
  upstream.url = options_.anthropic_url + "/v1/messages";
  upstream.headers = {{"content-type", "application/json"},
                      {"x-api-key", options_.anthropic_key.reveal()}};
  auto const* const version = call.request.header("anthropic-version");
  upstream.headers.add("anthropic-version", version == nullptr ? "2023-06-01" : *version);
  auto const* const beta = call.request.header("anthropic-beta");
  if (beta != nullptr) upstream.headers.add("anthropic-beta", *beta);
  upstream.body = std::move(call.request.body);
  upstream.timeouts = options_.timeouts;
  upstream.ca_file = options_.ca_file;

  auto opened = co_await client_.open(std::move(upstream));
  if (!opened) {
    bool const late = opened.error().code == ErrorCode::timeout;
    std::string message = without(opened.error().text(), options_.anthropic_key);
    co_return co_await call.reply.error(late ? 504 : 502, late ? "timeout_error" : "api_error",
                                        std::move(message));
  }
  net::ResponseStream& answer = **opened;
  int const status = answer.head().status;
  net::Headers headers = for_unit(answer.head().headers);
  if (status >= 400) {
    std::string body;
    for (;;) {
      auto piece = co_await answer.read();
      if (!piece || !*piece || body.size() > kErrorBodyBytesMax) break;
      body += **piece;
    }
    auto const begun = co_await call.reply.head(status, std::move(headers));
    if (!begun) co_return begun;
    body = without(std::move(body), options_.anthropic_key);
    auto const sent = co_await call.reply.bytes(std::move(body));
    if (!sent) co_return sent;
    co_return co_await call.reply.end();
  }
  auto const begun = co_await call.reply.head(status, std::move(headers));
  if (!begun) co_return begun;
  for (;;) {
    auto piece = co_await answer.read();
    if (!piece) co_return std::unexpected(piece.error());  // the unit sees a cut answer and retries
    if (!*piece) co_return co_await call.reply.end();
    auto const sent = co_await call.reply.bytes(std::move(**piece));
    if (!sent) co_return sent;
  }
}

}  // namespace drover::gateway
