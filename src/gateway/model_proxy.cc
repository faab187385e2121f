#include "gateway/model_proxy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

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
// Longer is the unit's to wait, which can do something else meanwhile.
constexpr Millis kLaneWaitMax{60'000};
constexpr Millis kScriptSilenceMax{120'000};

// What the call comes to at the most, with whichever of the models answers: the whole request as
// fresh input, the answer at its limit.
Estimate estimate(std::vector<PricedRoute> const& candidates, std::size_t request_bytes,
                  RequestHead const& head) {
  model::Usage usage;
  usage.input = static_cast<std::int64_t>(request_bytes) / kBytesPerTokenMin;
  usage.output = head.tokens_max.value_or(kAnswerTokensUsual) * head.choices;
  Estimate out;
  out.amount.tokens = tokens_of(usage);
  for (PricedRoute const& candidate : candidates) {
    if (candidate.price)
      out.amount.microdollars =
          std::max(out.amount.microdollars, model::cost_microdollars(*candidate.price, usage));
    // A script without a price is free.
    if (!candidate.price && !candidate.route.is_scripted()) out.priced = false;
  }
  return out;
}

// What the status of an answer says about its upstream.
UpstreamOutcome outcome_of(int status, net::Headers const& headers, WallTime now) {
  UpstreamOutcome outcome;
  outcome.wait = asked_wait(headers, now);
  if (status == 429 || status == 529 || (status == 503 && outcome.wait)) {
    outcome.kind = UpstreamOutcome::Kind::limited;
  } else if (status >= 500 || status == 408) {
    outcome.kind = UpstreamOutcome::Kind::failed;
  }
  return outcome;
}

Task<void> pause_for(Millis wait) {
  auto const executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer{executor};
  timer.expires_after(wait);
  co_await timer.async_wait(boost::asio::use_awaitable);
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
                       Random& random, UpstreamSetPtr upstreams)
    : pool_(pool),
      clock_(clock),
      random_(random),
      upstreams_(std::move(upstreams)),
      lanes_(io.get_executor(), clock, random),
      client_(io) {}

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

Task<Result<PricedRoute>> ModelProxy::priced(ModelRoute route) {
  PricedRoute out{std::move(route), std::nullopt};
  if (!out.route.is_scripted()) {
    out.price = upstreams_->prices.find(out.route.model);
    co_return out;
  }
  auto script = co_await load_script(out.route.script);
  if (!script) {
    Error error = script.error();
    if (error.code == ErrorCode::not_found) error.code = ErrorCode::invalid_argument;
    co_return std::unexpected(std::move(error));
  }
  out.price = script->model->price();
  co_return out;
}

Task<Result<ReadyModel>> ModelProxy::prepare(std::string name, std::vector<std::string> fallbacks) {
  UpstreamSetPtr const upstreams = upstreams_;
  auto route = find_model(upstreams->config, name);
  if (!route) co_return std::unexpected(route.error());
  auto routes = find_fallbacks(upstreams->config, name, fallbacks);
  if (!routes) co_return std::unexpected(routes.error());
  auto first = co_await priced(*std::move(route));
  if (!first) co_return std::unexpected(first.error());
  ReadyModel ready{std::move(first->route), first->price, {}};
  for (ModelRoute& one : *routes) {
    auto fallback = co_await priced(std::move(one));
    if (!fallback) co_return std::unexpected(fallback.error());
    ready.fallbacks.push_back(*std::move(fallback));
  }
  co_return ready;
}

std::vector<PricedRoute> ModelProxy::candidates_of(ReadyModel const& model,
                                                   model::WireFormat format) const {
  std::vector<PricedRoute> candidates{{model.route, model.price}};
  for (PricedRoute const& fallback : model.fallbacks) {
    Upstream const* const upstream = upstreams_->find(fallback.route.upstream);
    bool const speaks = fallback.route.is_scripted() || (upstream && upstream->speaks(format));
    if (speaks) candidates.push_back(fallback);
  }
  return candidates;
}

bool ModelProxy::speaks(ReadyModel const& model, model::WireFormat format) const {
  if (model.route.is_scripted()) return true;
  Upstream const* const upstream = upstreams_->find(model.route.upstream);
  return upstream != nullptr && upstream->speaks(format);
}

Task<CallReport> ModelProxy::serve(net::HttpRequest request, net::HttpReply& reply,
                                   ReadyModel const& model, CallAccount& account,
                                   std::string session) {
  auto const started = clock_.boot_now();
  CallReport report;
  report.model = model.route.model;
  auto head = read_head(request);
  MeteredReply metered{reply, format_of(request.path)};
  if (!head) {
    co_await metered.error(400, "invalid_request_error", head.error().text());
    report.status = 400;
    co_return report;
  }
  if (head->model != model.route.model) {
    std::string message = fmt::format("this run uses the model {}, not {}", model.route.model,
                                      printable(head->model));
    co_await metered.error(403, "permission_error", std::move(message));
    report.status = 403;
    co_return report;
  }
  std::vector<PricedRoute> candidates = candidates_of(model, metered.format());
  Call call{std::move(request), std::move(metered), *std::move(head),      &model,
            std::move(session), upstreams_,         std::move(candidates), 0};
  if (call.request.path == kCountTokensPath) {
    co_await count_tokens(call);
    report.status = call.reply.status();
    co_return report;
  }
  Estimate const reserved = estimate(call.candidates, call.request.body.size(), call.head);
  auto const allowed = co_await account.reserve(reserved);
  if (!allowed) {
    bool const spent = allowed.error().code == ErrorCode::budget_exhausted;
    co_await call.reply.error(http_status(allowed.error().code),
                              spent ? "budget_exhausted" : "api_error", allowed.error().text());
    report.status = call.reply.status();
    co_return report;
  }
  // Whatever ends the call, also its cancellation, the reservation is settled.
  struct Settlement {
    CallAccount* account;
    Call const* call;
    Amount reserved;
    CallReport* report;
    bool settled = false;
    void settle() {
      settled = true;
      PricedRoute const& used = call->candidates[call->used];
      report->status = call->reply.status();
      report->model = used.route.model;
      report->usage = call->reply.usage();
      report->estimated = !call->reply.usage_known();
      Amount actual = reserved;
      if (!report->estimated) {
        actual.microdollars = used.price ? model::cost_microdollars(*used.price, report->usage) : 0;
        actual.tokens = tokens_of(report->usage);
      }
      report->cost_microdollars = actual.microdollars;
      account->settle(report->usage, actual);
    }
    ~Settlement() {
      if (!settled) settle();
    }
  };
  Settlement settlement{&account, &call, reserved.amount, &report};
  auto const done = co_await answer(call);
  if (!done) log::debug("model-call-cut", {{"reason", done.error().text()}});
  settlement.settle();
  report.duration = std::chrono::duration_cast<Millis>(clock_.boot_now() - started);
  co_return report;
}

// The first of the models that gives an answer. Nothing of the others was seen by then.
Task<Status> ModelProxy::answer(Call& call) {
  Failed last;
  for (call.used = 0; call.used < call.candidates.size(); ++call.used) {
    ModelRoute const& route = call.candidates[call.used].route;
    if (route.is_scripted()) co_return co_await serve_scripted(call, route);
    auto tried = co_await try_upstream(call, route);
    if (tried) co_return *tried;
    last = std::move(tried.error());
    if (last.client_gone) co_return fail(ErrorCode::cancelled, "the unit has gone");
    if (model::classify(last.failure) != model::Verdict::retry) break;
    if (call.used + 1 < call.candidates.size())
      log::warn("model-fallback", {{"model", route.model},
                                   {"to", call.candidates[call.used + 1].route.model},
                                   {"reason", last.failure.text()}});
  }
  call.used = std::min(call.used, call.candidates.size() - 1);
  if (last.body.empty()) {
    std::string type = last.failure.type.empty() ? "api_error" : last.failure.type;
    co_return co_await call.reply.error(last.status, std::move(type), last.failure.message,
                                        last.failure.retry_after);
  }
  auto const begun = co_await call.reply.head(last.status, std::move(last.headers));
  if (!begun) co_return begun;
  auto const sent = co_await call.reply.bytes(std::move(last.body));
  if (!sent) co_return sent;
  co_return co_await call.reply.end();
}

Task<Status> ModelProxy::refuse(net::HttpRequest const& request, net::HttpReply& reply, int status,
                                std::string type, std::string message) {
  MeteredReply answer{reply, format_of(request.path)};
  co_return co_await answer.error(status, std::move(type), std::move(message));
}

Task<Status> ModelProxy::serve_scripted(Call& call, ModelRoute const& route) {
  std::string path = route.script;
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
  if (!call.model->route.is_scripted()) co_return co_await answer(call);
  // As the scripted model estimates its usage.
  net::Headers headers{{"content-type", "application/json"}};
  auto const begun = co_await call.reply.head(200, std::move(headers));
  if (!begun) co_return begun;
  std::string body = fmt::format(R"({{"input_tokens":{}}})", (call.request.body.size() + 3) / 4);
  auto const sent = co_await call.reply.bytes(std::move(body));
  if (!sent) co_return sent;
  co_return co_await call.reply.end();
}

Task<ModelProxy::Tried> ModelProxy::try_upstream(Call& call, ModelRoute const& route) {
  Failed failed;
  failed.status = 404;
  failed.failure.status = 404;
  failed.failure.type = "not_found_error";
  Upstream const* const upstream = call.upstreams->find(route.upstream);
  if (upstream == nullptr) {
    failed.failure.message = fmt::format(
        "the upstream {} of this run's model is not configured any more", route.upstream);
    co_return std::unexpected(std::move(failed));
  }
  if (!upstream->speaks(call.reply.format())) {
    failed.failure.message =
        fmt::format("the model {} is served by the upstream {}, which does not speak {}",
                    route.model, upstream->name, model::to_string(call.reply.format()));
    co_return std::unexpected(std::move(failed));
  }
  Secret const key = call.upstreams->key_of(upstream->name);
  for (int attempt = 1;; ++attempt) {
    auto pass = co_await lanes_.enter(*upstream, key, kLaneWaitMax, call.reply.client());
    if (!pass) co_return std::unexpected(refused_by(*upstream, pass.error()));
    auto tried = co_await try_once(call, *upstream, route, *pass);
    if (tried) co_return tried;
    failed = std::move(tried.error());
    pass->end(failed.outcome);
    bool const again = model::classify(failed.failure) == model::Verdict::retry;
    if (!again || attempt >= upstream->attempts_max) co_return std::unexpected(std::move(failed));
    // What the upstream asked for is waited in its lane, with all others.
    Millis const bound{500LL << std::min(attempt - 1, 4)};
    Millis const wait{
        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(bound.count()) + 1))};
    log::info(
        "model-call-retried",
        {{"upstream", upstream->name}, {"attempt", attempt}, {"reason", failed.failure.text()}});
    co_await pause_for(wait);
  }
}

ModelProxy::Failed ModelProxy::refused_by(Upstream const& upstream,
                                          UpstreamLanes::Refusal const& refusal) {
  Failed failed;
  bool const down = refusal.kind == UpstreamLanes::Refusal::Kind::down;
  failed.client_gone = refusal.kind == UpstreamLanes::Refusal::Kind::client_gone;
  failed.status = down ? 503 : 429;
  failed.failure.status = failed.status;
  failed.failure.type = down ? "api_error" : "rate_limit_error";
  failed.failure.retry_after = refusal.retry_after;
  failed.failure.message =
      down ? fmt::format("the upstream {} does not answer and is left alone for now", upstream.name)
           : fmt::format("the upstream {} takes no more calls for now", upstream.name);
  return failed;
}

// Nothing has reached the unit when it fails.
Task<ModelProxy::Tried> ModelProxy::try_once(Call& call, Upstream const& upstream,
                                             ModelRoute const& route, UpstreamLanes::Pass& pass) {
  Secret const key = call.upstreams->key_of(upstream.name);
  auto const unreachable = [&](Error const& error) {
    bool const late = error.code == ErrorCode::timeout;
    Failed failed;
    failed.status = late ? 504 : 502;
    failed.failure.kind = late ? model::Failure::Kind::timeout : model::Failure::Kind::connect;
    failed.failure.status = failed.status;
    failed.failure.type = late ? "timeout_error" : "api_error";
    failed.failure.message = KeyFilter::clean(error.text(), key);
    failed.outcome.kind = UpstreamOutcome::Kind::failed;
    return std::unexpected(std::move(failed));
  };
  std::string body = upstream_body(call.request.body, call.head, route.model, call.reply.format());
  net::ClientRequest request =
      upstream_request(upstream, key, call.request.path, call.request.headers, std::move(body));
  auto opened = co_await client_.open(std::move(request));
  if (!opened) co_return unreachable(opened.error());
  net::ResponseStream& stream = **opened;
  int const status = stream.head().status;
  if (status >= 300) {
    auto failed = co_await read_failure(upstream, stream, key);
    co_return std::unexpected(std::move(failed));
  }
  auto first = co_await stream.read(upstream.timeouts.first_token);
  if (!first) co_return unreachable(first.error());
  std::string bytes = std::move(*first).value_or("");
  // An upstream that is overloaded may say so in a stream that began with 200.
  auto const* const type = stream.head().headers.find("content-type");
  if (type != nullptr && type->starts_with("text/event-stream")) {
    UsageMeter beginning{call.reply.format(), UsageMeter::Shape::stream};
    beginning.feed(bytes);
    if (beginning.failure() && beginning.usage() == model::Usage{}) {
      Failed failed;
      failed.failure = *beginning.failure();
      failed.status = failed.failure.status;
      failed.failure.message = KeyFilter::clean(failed.failure.message, key);
      failed.failure.type = KeyFilter::clean(failed.failure.type, key);
      failed.outcome = outcome_of(failed.status, stream.head().headers, clock_.now());
      co_return std::unexpected(std::move(failed));
    }
  }
  call.reply.guard(key);
  bool const chat = call.reply.format() == model::WireFormat::chat;
  if (chat && call.head.stream && !call.head.include_usage) call.reply.hide_usage();
  co_return co_await pass_on(call, stream, std::move(bytes), pass);
}

// An answer that is no success, whole and bounded: an error needs few words.
Task<ModelProxy::Failed> ModelProxy::read_failure(Upstream const& upstream,
                                                  net::ResponseStream& stream, Secret key) {
  Failed failed;
  failed.status = stream.head().status;
  net::Headers const& headers = stream.head().headers;
  failed.outcome = outcome_of(failed.status, headers, clock_.now());
  // To a unit 409 says that another attempt has taken over.
  if (failed.status < 400 || failed.status == 409) {
    failed.failure.message = fmt::format("the upstream {} answered with {}, which is not passed on",
                                         upstream.name, failed.status);
    failed.failure.type = "api_error";
    failed.status = 502;
    // It would say the same again.
    failed.failure.status = 400;
    co_return failed;
  }
  while (failed.body.size() <= kErrorBodyBytesMax) {
    auto piece = co_await stream.read();
    if (!piece || !*piece) break;
    failed.body += **piece;
  }
  failed.body.resize(std::min(failed.body.size(), kErrorBodyBytesMax));
  failed.body = KeyFilter::clean(std::move(failed.body), key);
  failed.headers = headers_for_unit(headers, key);
  auto const text = [&](std::string_view name) {
    auto const* const value = failed.headers.find(name);
    return value == nullptr ? std::string{} : *value;
  };
  failed.failure = model::failure_from_response(failed.status, failed.body, text("retry-after"),
                                                text("retry-after-ms"));
  co_return failed;
}

Task<Status> ModelProxy::pass_on(Call& call, net::ResponseStream& stream, std::string first,
                                 UpstreamLanes::Pass& pass) {
  UpstreamOutcome outcome;
  outcome.wait = asked_wait(stream.head().headers, clock_.now());
  std::string const upstream = call.candidates[call.used].route.upstream;
  auto const begun = co_await call.reply.head(
      stream.head().status,
      headers_for_unit(stream.head().headers, call.upstreams->key_of(upstream)));
  if (!begun) co_return begun;
  std::optional<std::string> piece = std::move(first);
  while (piece) {
    if (!piece->empty()) {
      auto const sent = co_await call.reply.bytes(std::move(*piece));
      if (!sent) co_return sent;
    }
    auto next = co_await stream.read();
    if (!next) {
      // A cut answer is cut for the unit too, which sees it and asks again.
      outcome.kind = UpstreamOutcome::Kind::failed;
      pass.end(outcome);
      co_return std::unexpected(next.error());
    }
    piece = std::move(*next);
  }
  if (auto const failure = call.reply.failure()) {
    outcome.kind = failure->status == 429 || failure->status == 529 ? UpstreamOutcome::Kind::limited
                                                                    : UpstreamOutcome::Kind::failed;
    log::warn("model-stream-failed", {{"upstream", upstream}, {"reason", failure->text()}});
  }
  pass.end(outcome);
  co_return co_await call.reply.end();
}

}  // namespace drover::gateway
