#include "redis_server.h"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

#include <thread>

#include "os/files.h"

namespace drover::bench {

namespace {

constexpr Millis kStartWait{5'000};
constexpr Millis kPollEvery{10};

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

int append(redisContext* context, RedisClient::Words const& words) {
  std::vector<char const*> texts;
  std::vector<std::size_t> sizes;
  for (std::string const& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  return redisAppendCommandArgv(context, static_cast<int>(words.size()), texts.data(),
                                sizes.data());
}

// One that still reads its log takes connections and refuses commands.
bool answers(std::string const& socket) {
  auto client = RedisClient::connect(socket);
  return client && client->run({{"PING"}}).has_value();
}

}  // namespace

Result<RedisServer> RedisServer::start(Scratch const& scratch, std::string const& append_sync) {
  std::string const folder = scratch.path("redis-" + append_sync);
  DROVER_TRY(os::make_folders(folder));
  std::string const socket = folder + "/redis.sock";
  os::ProcessSpec spec;
  spec.argv = {"redis-server", "--port",      "0", "--unixsocket", socket, "--dir",
               folder,         "--save",      "",  "--appendonly", "yes",  "--appendfsync",
               append_sync,    "--daemonize", "no"};
  spec.env = plain_environment(scratch.folder());
  auto process = os::Process::spawn(spec);
  if (!process) return std::unexpected(process.error());
  RedisServer server{std::move(spec), *std::move(process), socket};
  DROVER_TRY(server.wait_until_ready());
  auto client = RedisClient::connect(socket);
  if (!client) return std::unexpected(client.error());
  DROVER_TRY(client->run({{"XGROUP", "CREATE", "jobs", "workers", "0", "MKSTREAM"}}));
  return server;
}

Status RedisServer::wait_until_ready() const {
  auto const deadline = std::chrono::steady_clock::now() + kStartWait;
  while (!answers(socket_)) {
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorCode::upstream, "redis-server does not answer at {}", socket_);
    std::this_thread::sleep_for(kPollEvery);
  }
  return {};
}

Status RedisServer::kill() {
  DROVER_TRY(process_.signal(SIGKILL));
  auto const ended = process_.wait(kStartWait);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended) return fail(ErrorCode::timeout, "redis-server outlived SIGKILL");
  return {};
}

Status RedisServer::launch() {
  auto process = os::Process::spawn(spec_);
  if (!process) return std::unexpected(process.error());
  process_ = *std::move(process);
  return wait_until_ready();
}

void RedisClient::Close::operator()(redisContext* context) const {
  redisFree(context);
}

Error RedisClient::error() const {
  return Error{ErrorCode::upstream, fmt::format("redis: {}", context_->errstr), {}};
}

Result<RedisClient> RedisClient::connect(std::string const& socket) {
  RedisClient client{redisConnectUnix(socket.c_str())};
  if (client.context_ == nullptr) return fail(ErrorCode::internal, "redis: no memory");
  if (client.context_->err != 0) return std::unexpected(client.error());
  return client;
}

Status RedisClient::run(std::vector<Words> const& commands) {
  for (Words const& words : commands)
    if (append(context_.get(), words) != REDIS_OK) return std::unexpected(error());
  for (std::size_t i = 0; i < commands.size(); ++i) {
    void* answer = nullptr;
    if (redisGetReply(context_.get(), &answer) != REDIS_OK) return std::unexpected(error());
    Reply const reply{static_cast<redisReply*>(answer)};
    if (reply->type == REDIS_REPLY_ERROR)
      return fail(ErrorCode::upstream, "redis: {}", std::string{reply->str, reply->len});
  }
  return {};
}

Result<RedisClient::Words> RedisClient::read_group(std::string const& consumer, std::size_t count,
                                                   Millis block) {
  Words words{"XREADGROUP", "GROUP", "workers", consumer, "COUNT", std::to_string(count)};
  if (block > Millis{0}) words.insert(words.end(), {"BLOCK", std::to_string(block.count())});
  words.insert(words.end(), {"STREAMS", "jobs", ">"});
  void* answer = nullptr;
  if (append(context_.get(), words) != REDIS_OK ||
      redisGetReply(context_.get(), &answer) != REDIS_OK)
    return std::unexpected(error());
  Reply const reply{static_cast<redisReply*>(answer)};
  if (reply->type == REDIS_REPLY_ERROR)
    return fail(ErrorCode::upstream, "redis: {}", std::string{reply->str, reply->len});
  Words ids;
  if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) return ids;
  // [[stream, [[id, [field, value]], ...]]]
  redisReply const* const messages = reply->element[0]->element[1];
  for (std::size_t i = 0; i < messages->elements; ++i) {
    redisReply const* const id = messages->element[i]->element[0];
    ids.emplace_back(id->str, id->len);
  }
  return ids;
}

}  // namespace drover::bench
