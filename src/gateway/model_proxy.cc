#include "gateway/model_proxy.h"

#include <fmt/format.h>

#include <utility>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "gateway/request_body.h"
#include "gateway/upstream_request.h"
#include "os/files.h"

namespace drover::gateway {

namespace {

constexpr std::size_t kScriptBytesMax = std::size_t{16} << 20U;
constexpr std::size_t kErrorBodyBytesMax = std::size_t{64} << 10U;
constexpr std::int64_t kBytesPerTokenMin = 3;        // of a request, for the estimate
constexpr std::int64_t kAnswerTokensUsual = 32'000;  // of a request that sets no limit
constexpr Millis kScriptSilenceMax{120'000};

// What the call costs at the most: the whole request as fresh input, the answer at its limit.
std::int64_t estimate(std::optional<model::Price> const& price, std::size_t request_bytes,
                      RequestHead const& head) {
  if (!price) return 0;
  model::Usage usage;
  usage.input = static_cast<std::int64_t>(request_bytes) / kBytesPerTokenMin;
  usage.output = head.tokens_max.value_or(kAnswerTokensUsual) * head.choices;
  return model::cost_microdollars(*price, usage);
}

model::WireFormat format_of(std::string_view path) {
  return model::format_of_path(path).value_or(model::WireFormat::messages);
}

// That of a count of tokens has no limit for an answer.
Result<RequestHead> read_head(net::HttpRequest const& request) {
  bool const counts = request.path == kCountTokensPath;
  return read_request_head(request.body,
                           counts ? model::WireFormat::chat : format_of(request.path));
}

}  // namespace

bool is_model_path(std::string_view path) {
  return path == kCountTokensPath || model::format_of_path(path).has_value();
}

ModelProxy::ModelProxy(boost::asio::io_context& io, os::BlockingPool& pool, Clock const& clock,
                       UpstreamSetPtr upstreams)
    : pool_(pool), clock_(clock), upstreams_(std::move(upstreams)), client_(io) {}

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
  UpstreamSetPtr const upstreams = upstreams_;
  auto route = find_model(upstreams->config, name);
  if (!route) co_return std::unexpected(route.error());
  ReadyModel ready{*std::move(route), std::nullopt};
  if (ready.route.is_scripted()) {
    auto script = co_await load_script(ready.route.script);
    if (!script) {
      Error error = script.error();
      if (error.code == ErrorCode::not_found) error.code = ErrorCode::invalid_argument;
      co_return std::unexpected(std::move(error));
    }
    ready.price = script->model->price();
    co_return ready;
  }
  auto const fallbacks = find_fallbacks(upstreams->config, name);
  if (!fallbacks) co_return std::unexpected(fallbacks.error());
  ready.price = upstreams->prices.find(ready.route.model);
  co_return ready;
}

bool ModelProxy::speaks(ReadyModel const& model, model::WireFormat format) const {
  if (model.route.is_scripted()) return true;
  Upstream const* const upstream = upstreams_->find(model.route.upstream);
  return upstream != nullptr && upstream->speaks(format);
}

Task<CallReport> ModelProxy::serve(net::HttpRequest request, net::HttpReply& reply,
                                   ReadyModel const& model, Budget& budget, std::string session,
                                   OnReserved on_reserved) {
  auto const started = clock_.boot_now();
  CallReport report;
  auto head = read_head(request);
  MeteredReply answer{reply, format_of(request.path)};
  if (!head) {
    co_await answer.error(400, "invalid_request_error", head.error().text());
    report.status = 400;
    co_return report;
  }
  Call call{std::move(request), std::move(answer), *std::move(head), &model,
            std::move(session), upstreams_};
  if (call.request.path == kCountTokensPath) {
    co_await count_tokens(call);
    report.status = call.reply.status();
    co_return report;
  }
  std::int64_t const reserved = estimate(model.price, call.request.body.size(), call.head);
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
  } else if (call.head.model != model.route.model) {
    std::string message = fmt::format("this run uses the model {}, not {}", model.route.model,
                                      printable(call.head.model));
    done = co_await call.reply.error(403, "permission_error", std::move(message));
  } else if (model.route.is_scripted()) {
    done = co_await serve_scripted(call);
  } else {
    done = co_await serve_upstream(call);
  }
  if (!done) log::debug("model-call-cut", {{"reason", done.error().text()}});
  settlement.settle();
  report.duration = std::chrono::duration_cast<Millis>(clock_.boot_now() - started);
  co_return report;
}

Task<Status> ModelProxy::refuse(net::HttpRequest const& request, net::HttpReply& reply, int status,
                                std::string type, std::string message) {
  MeteredReply answer{reply, format_of(request.path)};
  co_return co_await answer.error(status, std::move(type), std::move(message));
}

Task<Status> ModelProxy::serve_scripted(Call& call) {
  std::string path = call.model->route.script;
  auto script = co_await load_script(std::move(path));
  if (!script) {
    std::string message = script.error().text();
    co_return co_await call.reply.error(500, "api_error", std::move(message));
  }
  model::Plan plan = script->model->answer(call.request.body, call.session, *script->attempts,
                                           call.reply.format());
  co_return co_await play_plan(std::move(plan), call.reply, kScriptSilenceMax);
}

Task<Status> ModelProxy::count_tokens(Call& call) {
  if (call.head.model != call.model->route.model) {
    std::string message = fmt::format("this run uses the model {}, not {}", call.model->route.model,
                                      printable(call.head.model));
    co_return co_await call.reply.error(403, "permission_error", std::move(message));
  }
  if (!call.model->route.is_scripted()) co_return co_await serve_upstream(call);
  // As the scripted model estimates its usage.
  net::Headers headers{{"content-type", "application/json"}};
  auto const begun = co_await call.reply.head(200, std::move(headers));
  if (!begun) co_return begun;
  std::string body = fmt::format(R"({{"input_tokens":{}}})", (call.request.body.size() + 3) / 4);
  auto const sent = co_await call.reply.bytes(std::move(body));
  if (!sent) co_return sent;
  co_return co_await call.reply.end();
}

Task<Status> ModelProxy::serve_upstream(Call& call) {
  ModelRoute const& route = call.model->route;
  Upstream const* const upstream = call.upstreams->find(route.upstream);
  if (upstream == nullptr) {
    std::string message = fmt::format(
        "the upstream {} of this run's model is not configured any more", route.upstream);
    co_return co_await call.reply.error(404, "not_found_error", std::move(message));
  }
  if (!upstream->speaks(call.reply.format())) {
    std::string message =
        fmt::format("the model {} is served by the upstream {}, which does not speak {}",
                    route.model, upstream->name, model::to_string(call.reply.format()));
    co_return co_await call.reply.error(404, "not_found_error", std::move(message));
  }
  Secret const key = call.upstreams->key_of(upstream->name);
  call.reply.guard(key);
  bool const chat = call.reply.format() == model::WireFormat::chat;
  if (chat && call.head.stream && !call.head.include_usage) call.reply.hide_usage();
  std::string body =
      upstream_body(std::move(call.request.body), call.head, route.model, call.reply.format());
  net::ClientRequest request =
      upstream_request(*upstream, key, call.request.path, call.request.headers, std::move(body));
  auto opened = co_await client_.open(std::move(request));
  if (!opened) {
    bool const late = opened.error().code == ErrorCode::timeout;
    std::string message = KeyFilter::clean(opened.error().text(), key);
    co_return co_await call.reply.error(late ? 504 : 502, late ? "timeout_error" : "api_error",
                                        std::move(message));
  }
  co_return co_await pass_on(call, *upstream, **opened);
}

Task<Status> ModelProxy::pass_on(Call& call, Upstream const& upstream,
                                 net::ResponseStream& answer) {
  int const status = answer.head().status;
  if (status >= 300 && status < 400) {
    std::string message =
        fmt::format("the upstream {} answered with a redirect ({}), and those are not followed",
                    upstream.name, status);
    co_return co_await call.reply.error(502, "api_error", std::move(message));
  }
  // To a unit this status says that another attempt has taken over.
  if (status == 409) {
    std::string message = fmt::format("the upstream {} answered with a conflict", upstream.name);
    co_return co_await call.reply.error(502, "api_error", std::move(message));
  }
  auto first = co_await answer.read(upstream.timeouts.first_token);
  if (!first) {
    bool const late = first.error().code == ErrorCode::timeout;
    std::string message =
        KeyFilter::clean(first.error().text(), call.upstreams->key_of(upstream.name));
    co_return co_await call.reply.error(late ? 504 : 502, late ? "timeout_error" : "api_error",
                                        std::move(message));
  }
  auto const begun = co_await call.reply.head(
      status, headers_for_unit(answer.head().headers, call.upstreams->key_of(upstream.name)));
  if (!begun) co_return begun;
  std::size_t passed = 0;
  for (auto piece = std::move(first);;) {
    // A cut answer is cut for the unit too, which sees it and asks again.
    if (!piece) co_return std::unexpected(piece.error());
    if (!*piece) co_return co_await call.reply.end();
    passed += (*piece)->size();
    auto const sent = co_await call.reply.bytes(std::move(**piece));
    if (!sent) co_return sent;
    // An error needs few words; more would be there to be carried off.
    if (status >= 400 && passed > kErrorBodyBytesMax) co_return co_await call.reply.end();
    piece = co_await answer.read();
  }
}

}  // namespace drover::gateway
