#pragma once
// The control store of a server elsewhere, over the worker API of docs/workers.md. A step that gets
// no answer is sent again until one comes or the claim's lease has run out; its number makes it one
// step all the same.
//
// On the event loop. Life: join, listen, any number of calls, leave.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/secret.h"
#include "broker/redis_reader.h"
#include "net/http_client.h"
#include "os/async_event.h"
#include "os/task_group.h"
#include "worker/control.h"
#include "worker/joined_workers.h"
#include "worker/wire.h"

namespace drover::worker {

struct RemoteOptions {
  std::string url;  // of the server, without a slash at its end
  Secret token;
  std::string ca_file;  // trust these certificates (PEM) in place of the system's
  Millis lease{0};
  WorkerCard card;
  broker::RedisReader* offers = nullptr;  // null: the server alone is asked for work
};

class RemoteControl final : public Control {
 public:
  RemoteControl(boost::asio::io_context& io, RemoteOptions options);
  ~RemoteControl() override;

  struct Joined {
    std::string session_folder;  // of the server
    WorkerCard card;             // with what it left open
  };
  // What the first one says stays, also at a server that has started anew.
  Task<Result<Joined>> join();
  // In place of join(): works on this one claim, of a worker that has joined and speaks for itself.
  void adopt(Assignment assignment);
  // That worker is dead: nobody is to wait for it.
  Task<Status> say_orphaned();
  // Hears what the server asks of this worker, until leave().
  void listen(std::function<void(Orders const&)> handler);
  // Called when a server that did not know this worker any more has been joined again: it does not
  // know either which sessions have a warm unit here.
  void on_joined_again(std::function<void()> handler) { joined_again_ = std::move(handler); }
  // There is no warm unit of the session here any more.
  Task<Status> confirm_release(SessionId session);
  // The server puts back what it still counts as this worker's.
  Task<void> leave();

  Task<Result<std::vector<broker::Claim>>> claim(ClaimWish wish) override;
  void close_claims() override;
  Task<Result<Assignment>> take(broker::Claim claim) override;
  Task<Result<std::vector<RunId>>> renew(std::vector<broker::Claim> claims, Millis lease) override;
  void hand_over(RunId const& run) override;
  Task<Status> lose(broker::Claim claim) override;
  Task<Status> append(Step step, Room room) override;
  Task<Status> record(Step step, Room room) override;
  Task<Status> finish(Step step, SessionRecord session) override;
  Task<Status> put_back(PutBack back) override;
  Task<Status> serve_model(TurnPtr turn, net::HttpRequest request, net::HttpReply& reply) override;
  Task<Status> serve_mcp(TurnPtr turn, net::HttpRequest request, net::HttpReply& reply) override;

 private:
  struct Line;  // of one claim's steps
  struct Call {
    std::string method;
    std::string path;  // below the worker's
    json::object body;
    Millis answer{0};  // the longest wait for it
  };

  [[nodiscard]] net::ClientRequest request_of(Call const& call) const;
  Task<Status> pass_on(TurnPtr turn, net::ClientRequest forward, net::HttpReply& reply);
  Task<Result<std::vector<broker::Claim>>> claim_offered(ClaimWish wish);
  Task<Result<std::vector<broker::Claim>>> ask_for_claims(ClaimWish wish);
  Task<Result<json::value>> send(net::HttpClient& client, Call call);
  // Joins again where the server does not know this worker any more.
  Task<Result<json::value>> send_known(net::HttpClient& client, Call call);
  Task<Status> send_step(Step const& step, WireStep wire);
  Task<Result<Orders>> beat(net::HttpClient& client, std::vector<broker::Claim> claims,
                            std::uint64_t seen, Millis wait);
  Task<void> listen_loop(std::function<void(Orders const&)> handler);
  Task<void> pause(Millis time);

  boost::asio::io_context& io_;
  RemoteOptions options_;
  net::HttpClient client_;
  // Of their own, so that a wait can be cut without cutting anything else.
  std::unique_ptr<net::HttpClient> claims_client_;
  std::unique_ptr<net::HttpClient> orders_client_;
  os::TaskGroup tasks_;
  std::map<RunId, Assignment> assigned_;          // and not yet taken
  std::map<RunId, std::shared_ptr<Line>> lines_;  // shared with the step under way
  std::function<void()> joined_again_;
  std::optional<broker::Claim> adopted_;  // and not yet claimed
  bool is_guest_ = false;                 // it adopted a claim
  bool closed_ = false;
  bool leaving_ = false;
};

}  // namespace drover::worker
