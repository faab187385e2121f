#pragma once
// All of the unit's waiting: one poll() over the inbox, the event requests, signals and whatever
// the turn waits for. So an interrupt ends every wait at once, and events go out while a tool runs.
// One thread.
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "agent/ports.h"
#include "base/secret.h"
#include "base/time.h"
#include "net/unix_client.h"
#include "os/fd.h"
#include "unit/outbox.h"
#include "unit/unit_api.h"

namespace drover::unit {

// Whether the unit goes on, and if not, why.
enum class Fate : std::uint8_t {
  running,
  stopped,  // asked to stop: by the inbox or by a signal
  fenced,   // a newer attempt has taken over
  lost,     // the server is gone or refuses us
};

struct Endpoint {
  std::string socket_path;
  Secret token;
  [[nodiscard]] net::Headers headers() const;
};

class Switchboard final : public agent::Waiter {
 public:
  static constexpr Millis kInboxWait{30'000};
  static constexpr Millis kAnswerWait{15'000};  // for a request that has no reason to take longer
  static constexpr Millis kServerGoneMax{10'000};
  static constexpr Millis kNoSpaceWait{1'000};  // between two tries while the server's disk is full
  static constexpr std::size_t kQueueMax = 16;

  // `signals` is a signalfd of SIGTERM, SIGINT and SIGCHLD; both are borrowed.
  Switchboard(Endpoint const& endpoint, Clock const& clock, int signals);

  agent::Wake wait(std::span<pollfd> descriptors, BootTime deadline) override;
  [[nodiscard]] bool superseded() const override {
    return fate_ == Fate::fenced || fate_ == Fate::lost;
  }

  void emit(std::string line);
  void emit_delta(std::string_view type, std::string_view turn_id, std::string_view text);
  // Waits until every event is acknowledged. False when that did not come about.
  [[nodiscard]] bool drain(BootTime deadline);

  // The next message, in order; nullopt when the deadline is past or the fate is decided.
  [[nodiscard]] std::optional<InboxItem> next_message(BootTime deadline);
  // Between the two, an interrupt ends the waits.
  void turn_begins(std::string const& turn_id);
  void turn_ends();
  [[nodiscard]] Fate fate() const { return fate_; }
  [[nodiscard]] std::string const& fate_reason() const { return fate_reason_; }

 private:
  // One connection with its trouble.
  struct Link {
    std::optional<net::UnixClient> client;
    bool awaiting = false;
    BootTime answer_by;
    std::optional<BootTime> failing_since;
    BootTime try_at;
    Millis backoff{0};
  };

  void pump();
  void pump_events();
  void pump_inbox();
  void take_events_answer();
  void take_inbox_answer();
  void take_inbox_item(std::string const& body);
  void read_signals();
  [[nodiscard]] bool send(Link& link, std::string_view method, std::string const& target,
                          std::string_view body, Millis answer_within);
  void link_failed(Link& link, std::string_view what, Error const& error);
  void link_works(Link& link);
  void refused(std::string_view what, int status, std::string const& body);
  void decide(Fate fate, std::string reason);
  [[nodiscard]] std::optional<BootTime> next_own_deadline() const;
  agent::Wake poll_once(std::span<pollfd> descriptors, BootTime deadline, bool& own);
  [[nodiscard]] bool must_stop() const;

  Endpoint const* endpoint_;
  Clock const* clock_;
  int signals_;
  Outbox outbox_;
  std::string batch_;              // sent, or to be sent again
  std::int64_t batch_number_ = 0;  // tells the server a batch that is sent again from a new one
  Link events_;
  Link inbox_;
  std::deque<InboxItem> queue_;
  std::string turn_id_;  // of the turn that runs or ran last
  bool in_turn_ = false;
  bool interrupted_ = false;
  Fate fate_ = Fate::running;
  std::string fate_reason_;
  std::vector<pollfd> polled_;
};

}  // namespace drover::unit
