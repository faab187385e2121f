// The gateway between a real client and a real upstream, both on loopback.
#include "gateway/model_proxy.h"

#include <gtest/gtest.h>

#include <mutex>

#include "gateway/budget.h"
#include "net/test_server.h"

namespace drover::gateway {
namespace {

constexpr std::string_view kKey = "sk-the-real-key";
constexpr std::string_view kChat = "/v1/chat/completions";

// What an upstream answers to one request.
struct Answer {
  int status = 200;
  net::Headers headers{{"content-type", "application/json"}};
  std::string body;
  bool cut = false;  // before its end
};

// An upstream that answers as it was told, the last answer again and again.
class FakeUpstream {
 public:
  FakeUpstream()
      : server_([this](net::HttpRequest request, net::HttpReply& reply) {
          return handle(std::move(request), reply);
        }) {}
  void answers(std::vector<Answer> answers) {
    std::lock_guard const lock{mutex_};
    answers_ = std::move(answers);
  }
  [[nodiscard]] std::vector<net::HttpRequest> requests() {
    std::lock_guard const lock{mutex_};
    return requests_;
  }
  [[nodiscard]] std::string url(std::string_view target) const { return server_.url(target); }

 private:
  Answer next(net::HttpRequest request) {
    std::lock_guard const lock{mutex_};
    requests_.push_back(std::move(request));
    Answer answer = answers_.front();
    if (answers_.size() > 1) answers_.erase(answers_.begin());
    return answer;
  }
  Task<void> handle(net::HttpRequest request, net::HttpReply& reply) {
    Answer answer = next(std::move(request));
    auto const begun = co_await reply.begin_stream(answer.status, std::move(answer.headers));
    if (!begun) co_return;
    auto bytes = std::make_shared<std::string const>(std::move(answer.body));
    if (!bytes->empty()) co_await reply.write(std::move(bytes));
    if (!answer.cut) co_await reply.end();
  }

  std::mutex mutex_;
  std::vector<Answer> answers_{Answer{}};
  std::vector<net::HttpRequest> requests_;
  net::TestServer server_;
};

// One account for all calls of a test.
class TestAccount final : public CallAccount {
 public:
  explicit TestAccount(Budget& budget) : budget_(budget) {}
  Task<Status> reserve(Estimate estimate) override {
    reserved_ = estimate.amount.microdollars;
    co_return budget_.reserve(reserved_);
  }
  void settle(model::Usage const&, Amount actual) override {
    budget_.settle(reserved_, actual.microdollars);
  }

 private:
  Budget& budget_;
  std::int64_t reserved_ = 0;
};

class ModelProxyTest : public ::testing::Test {
 protected:
  ModelProxyTest()
      : pool_(1), gateway_([this](net::HttpRequest request, net::HttpReply& reply) {
          return handle(std::move(request), reply);
        }) {
    auto set = std::make_shared<UpstreamSet>();
    set->config.upstreams["anthropic"] =
        upstream("anthropic", {model::WireFormat::messages}, "", KeyHeader::x_api_key);
    set->config.upstreams["openai"] =
        upstream("openai", {model::WireFormat::responses, model::WireFormat::chat}, "/v1",
                 KeyHeader::bearer);
    for (auto const& [name, one] : set->config.upstreams)
      set->keys[name] = Secret{std::string{kKey}};
    set->config.models["tough"] = {
        "anthropic", "claude-sonnet-4-5", {"anthropic/claude-haiku-4-5"}};
    set->config.upstreams["patient"] =
        upstream("patient", {model::WireFormat::chat}, "/v1", KeyHeader::bearer);
    set->config.upstreams["patient"].attempts_max = 3;
    set_ = set;
    gateway_.loop().call([&] {
      proxy_ = std::make_unique<ModelProxy>(gateway_.loop().io, pool_, clock_, random_, set_);
      client_ = std::make_unique<net::HttpClient>(gateway_.loop().io);
    });
  }
  ~ModelProxyTest() override {
    gateway_.loop().call([&] {
      client_.reset();
      proxy_.reset();
    });
    gateway_.stop();
  }

  Upstream upstream(std::string name, std::vector<model::WireFormat> formats, std::string_view path,
                    KeyHeader header) {
    Upstream out;
    out.name = std::move(name);
    out.formats = std::move(formats);
    out.base_url = upstream_.url(path);
    out.key_header = header;
    out.attempts_max = 1;
    out.timeouts.first_token = Millis{2'000};
    return out;
  }

  Task<void> handle(net::HttpRequest request, net::HttpReply& reply) {
    TestAccount account{budget_};
    report_ = co_await proxy_->serve(std::move(request), reply, model_, account, "session");
  }

  void use(std::string name) {
    auto ready = gateway_.loop().wait_for(proxy_->prepare(std::move(name)));
    ASSERT_TRUE(ready) << ready.error().text();
    model_ = *std::move(ready);
  }

  net::HttpResponse post(std::string_view path, std::string body, net::Headers headers = {}) {
    net::ClientRequest request;
    request.method = "POST";
    request.url = gateway_.url(path);
    request.body = std::move(body);
    request.headers = std::move(headers);
    auto response = gateway_.loop().wait_for(client_->send(std::move(request)));
    return response ? *std::move(response) : net::HttpResponse{};
  }

  SystemClock clock_;
  SeededRandom random_{1};
  os::BlockingPool pool_;
  FakeUpstream upstream_;
  UpstreamSetPtr set_;
  net::TestServer gateway_;
  std::unique_ptr<ModelProxy> proxy_;
  std::unique_ptr<net::HttpClient> client_;
  ReadyModel model_;
  Budget budget_{std::nullopt};
  CallReport report_;
};

Answer json_answer(std::string body, int status = 200) {
  Answer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

Answer stream_answer(std::string body) {
  Answer answer;
  answer.headers = {{"content-type", "text/event-stream"}};
  answer.body = std::move(body);
  return answer;
}

TEST_F(ModelProxyTest, TheKeyIsAddedOutsideAndTheUnitsHeadersStay) {
  use("openai/gpt-5");
  upstream_.answers({json_answer(R"({"usage":{"prompt_tokens":1000,"completion_tokens":100}})")});
  auto const answered = post(kChat, R"({"model":"gpt-5","messages":[]})",
                             {{"authorization", "Bearer unit"},
                              {"x-api-key", "unit"},
                              {"cookie", "c=1"},
                              {"host", "169.254.169.254"},
                              {"openai-beta", "x"}});
  EXPECT_EQ(answered.status, 200);
  auto const asked = upstream_.requests();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].path, "/v1/chat/completions");
  EXPECT_EQ(*asked[0].header("authorization"), "Bearer " + std::string{kKey});
  EXPECT_EQ(asked[0].header("x-api-key"), nullptr);
  EXPECT_EQ(asked[0].header("cookie"), nullptr);
  EXPECT_EQ(*asked[0].header("openai-beta"), "x");
  EXPECT_TRUE(asked[0].header("host")->starts_with("127.0.0.1:"));
  EXPECT_EQ(report_.usage.input, 1000);
  EXPECT_EQ(report_.cost_microdollars, 2250) << "1000 × 1.25 + 100 × 10 dollars a million";
}

TEST_F(ModelProxyTest, AMessagesCallGoesToItsOwnPathWithItsOwnHeader) {
  use("anthropic/claude-sonnet-4-5");
  upstream_.answers({json_answer(R"({"usage":{"input_tokens":1,"output_tokens":1}})")});
  post("/v1/messages?beta=true", R"({"model":"claude-sonnet-4-5","max_tokens":5})",
       {{"authorization", "Bearer unit"}, {"anthropic-beta", "b"}});
  auto const asked = upstream_.requests();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].path, "/v1/messages");
  EXPECT_EQ(*asked[0].header("x-api-key"), kKey);
  EXPECT_EQ(asked[0].header("authorization"), nullptr);
  EXPECT_EQ(*asked[0].header("anthropic-version"), "2023-06-01");
  EXPECT_EQ(*asked[0].header("anthropic-beta"), "b");
}

TEST_F(ModelProxyTest, AChatStreamIsMeteredThoughTheUnitDidNotAskForItsUsage) {
  use("openai/gpt-5");
  std::string const text = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
  std::string const usage =
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";
  std::string const end = "data: [DONE]\n\n";
  upstream_.answers({stream_answer(text + usage + end)});
  auto answered = post(kChat, R"( {"model":"gpt-5","stream":true,"messages":[]})");
  EXPECT_EQ(answered.body, text + end);
  EXPECT_EQ(report_.usage.output, 2);
  EXPECT_FALSE(report_.estimated);
  EXPECT_NE(upstream_.requests()[0].body.find(R"("stream_options":{"include_usage":true})"),
            std::string::npos);
  answered =
      post(kChat, R"({"model":"gpt-5","stream":true,"stream_options":{"include_usage":true},)"
                  R"("messages":[]})");
  EXPECT_EQ(answered.body, text + usage + end) << "who asks for it has it";
  answered = post(kChat, R"({"model":"gpt-5","stream":true,)"
                         R"("stream_options":{"include_usage":false},"messages":[]})");
  EXPECT_EQ(answered.body, text + end);
  EXPECT_EQ(report_.usage.output, 2);
}

TEST_F(ModelProxyTest, AKeyThatTheUpstreamEchoesDoesNotReachTheUnit) {
  use("openai/gpt-5");
  std::string const echo = "{\"echo\":\"Bearer " + std::string{kKey} + "\"}";
  for (Answer answer : {json_answer(echo), json_answer(echo, 400),
                        stream_answer("data: " + echo + "\n\ndata: [DONE]\n\n")}) {
    answer.headers.add("request-id", std::string{kKey});
    upstream_.answers({answer});
    auto const answered = post(kChat, R"({"model":"gpt-5","messages":[]})");
    EXPECT_EQ(answered.body.find(kKey), std::string::npos);
    EXPECT_NE(answered.body.find("Bearer ***"), std::string::npos);
    for (auto const& header : answered.headers)
      EXPECT_EQ(header.value.find(kKey), std::string::npos) << header.name;
  }
}

TEST_F(ModelProxyTest, NoRequestChoosesItsUpstream) {
  use("openai/gpt-5");
  upstream_.answers({json_answer("{}")});
  for (std::string_view const body :
       {R"({"model":"gpt-5","base_url":"http://169.254.169.254/","messages":[]})",
        R"({"model":"gpt-5","api_base":"http://10.0.0.1","messages":[]})",
        R"({"model":"gpt-5","api_key":"mine","messages":[]})"})
    EXPECT_EQ(post(kChat, std::string{body}).status, 400);
  EXPECT_EQ(post(kChat, R"({"model":"gpt-4o","messages":[]})").status, 403);
  EXPECT_EQ(upstream_.requests().size(), 0U);
  Answer redirect;
  redirect.status = 302;
  redirect.headers = {{"location", "http://169.254.169.254/latest"}};
  upstream_.answers({redirect});
  auto const redirected = post(kChat, R"({"model":"gpt-5","messages":[]})");
  EXPECT_EQ(redirected.status, 502);
  EXPECT_EQ(redirected.headers.find("location"), nullptr);
  EXPECT_EQ(upstream_.requests().size(), 1U);
}

TEST_F(ModelProxyTest, AnotherFormatThanTheUpstreamsIsRefusedInItsOwnShape) {
  use("anthropic/claude-sonnet-4-5");
  auto const answered = post("/v1/responses", R"({"model":"claude-sonnet-4-5","input":"x"})");
  EXPECT_EQ(answered.status, 404);
  auto const body = json::parse(answered.body).as_object();
  EXPECT_FALSE(body.contains("type")) << answered.body;
  EXPECT_EQ(body.at("error").at("code"), "not_found_error");
  EXPECT_EQ(upstream_.requests().size(), 0U);
}

TEST_F(ModelProxyTest, ACutStreamIsBookedAtItsReservation) {
  use("anthropic/claude-sonnet-4-5");
  Answer cut = stream_answer(
      "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1}}}\n\n");
  cut.cut = true;
  upstream_.answers({cut});
  post("/v1/messages", R"({"model":"claude-sonnet-4-5","max_tokens":1000,"stream":true})");
  EXPECT_TRUE(report_.estimated);
  EXPECT_GE(report_.cost_microdollars, 15'000) << "1000 × 15 dollars a million";
  EXPECT_EQ(budget_.reserved(), 0);
  EXPECT_EQ(budget_.spent(), report_.cost_microdollars);
}

TEST_F(ModelProxyTest, CountingTokensCostsNothing) {
  use("anthropic/claude-sonnet-4-5");
  upstream_.answers({json_answer(R"({"input_tokens":12})")});
  auto const answered =
      post("/v1/messages/count_tokens", R"({"model":"claude-sonnet-4-5","messages":[]})");
  EXPECT_EQ(answered.body, R"({"input_tokens":12})");
  EXPECT_EQ(upstream_.requests()[0].path, "/v1/messages/count_tokens");
  EXPECT_EQ(budget_.spent(), 0);
}

TEST_F(ModelProxyTest, AConflictOfTheUpstreamIsNotThatOfAnAttempt) {
  use("openai/gpt-5");
  upstream_.answers({json_answer("{}", 409)});
  EXPECT_EQ(post(kChat, R"({"model":"gpt-5","messages":[]})").status, 502);
}

TEST_F(ModelProxyTest, ACallThatFailsForNowIsMadeAgainAndItsAnswerComesOnce) {
  use("patient/m");
  Answer busy = json_answer(R"({"error":{"type":"overloaded_error"}})", 529);
  busy.headers.add("retry-after-ms", "1");
  upstream_.answers(
      {busy, stream_answer("data: {\"error\":{\"code\":\"server_error\",\"message\":\"m\"}}\n\n"),
       json_answer(R"({"usage":{"prompt_tokens":1,"completion_tokens":1}})")});
  auto const answered = post(kChat, R"({"model":"m","messages":[]})");
  EXPECT_EQ(answered.status, 200);
  EXPECT_EQ(answered.body, R"({"usage":{"prompt_tokens":1,"completion_tokens":1}})");
  EXPECT_EQ(upstream_.requests().size(), 3U);
  EXPECT_EQ(report_.usage.output, 1);
}

TEST_F(ModelProxyTest, WhatIsTheCallersFaultIsNotMadeAgain) {
  use("patient/m");
  upstream_.answers({json_answer(R"({"error":{"message":"no"}})", 400)});
  EXPECT_EQ(post(kChat, R"({"model":"m","messages":[]})").body, R"({"error":{"message":"no"}})");
  EXPECT_EQ(upstream_.requests().size(), 1U);
}

TEST_F(ModelProxyTest, AnotherModelAnswersWhereTheFirstCannot) {
  use("tough");
  upstream_.answers({json_answer("{}", 500),
                     json_answer(R"({"usage":{"input_tokens":1000,"output_tokens":1000}})")});
  auto const answered =
      post("/v1/messages", R"({"model":"claude-sonnet-4-5","max_tokens":1000,"messages":[]})");
  EXPECT_EQ(answered.status, 200);
  auto const asked = upstream_.requests();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(json::parse(asked[1].body).at("model"), "claude-haiku-4-5");
  EXPECT_EQ(report_.model, "claude-haiku-4-5");
  EXPECT_EQ(report_.cost_microdollars, 6000) << "at the price of the one that answered";
}

TEST_F(ModelProxyTest, AnUpstreamThatDoesNotAnswerIsLeftAlone) {
  use("openai/gpt-5");
  upstream_.answers({json_answer("{}", 500)});
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(post(kChat, R"({"model":"gpt-5","messages":[]})").status, 500);
  auto const refused = post(kChat, R"({"model":"gpt-5","messages":[]})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.headers.find("retry-after"), nullptr);
  EXPECT_EQ(upstream_.requests().size(), 5U) << "nothing was sent";
}

TEST_F(ModelProxyTest, AReloadHoldsForTheNextCall) {
  use("openai/gpt-5");
  auto without = std::make_shared<UpstreamSet>(*set_);
  without->config.upstreams.erase("openai");
  gateway_.loop().call([&] { proxy_->replace(without); });
  EXPECT_EQ(post(kChat, R"({"model":"gpt-5","messages":[]})").status, 404);
}

}  // namespace
}  // namespace drover::gateway
