#pragma once
// What the containers of an agent write, as it is written: of one instance or of all of them, over
// restarts and replacements, until they are gone. Lines wait here in a bounded number for a slow
// reader; behind that the engines do.
//
// On the event loop. Life: start by the reconciler, next() until over(), cancel().
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/error.h"
#include "fleet/engine.h"
#include "fleet/log_stream.h"
#include "os/async_event.h"
#include "os/task_group.h"

namespace drover::fleet {

// By instance: where whoever was cut off goes on.
using LogCursors = std::map<std::string, std::string, std::less<>>;
// "dev=CURSOR dev-2=CURSOR", one line. invalid_argument for what is no such line.
[[nodiscard]] std::string format_cursors(LogCursors const& cursors);
[[nodiscard]] Result<LogCursors> parse_cursors(std::string_view text);

struct LogWish {
  std::string agent{};
  std::string instance{};  // empty: all of the agent's
  int lines = 0;           // of each, of what there is already
  LogCursors cursors{};    // in the place of that
};

struct LogEvent {
  enum class Kind : std::uint8_t {
    line,
    gap,       // lines are missing here
    replaced,  // the instance goes on in another container
    trouble,   // its engine does not tell at present; text says why
  };
  Kind kind = Kind::line;
  std::string instance{};
  LogLine line{};
  std::string cursors{};  // what follows behind this event, of all instances
};

// What is to be followed of one instance at this moment.
struct LogPlace {
  FleetEngine* engine = nullptr;
  std::string container{};  // empty: none
  bool runs = false;
  bool wanted = false;
};

class LogFollow : public std::enable_shared_from_this<LogFollow> {
 public:
  struct Parts {
    boost::asio::any_io_executor executor;
    // Of the reconciler: they are asked again when `changed` is another.
    std::function<std::vector<std::string>(std::string const& agent)> instances;
    std::function<std::optional<LogPlace>(std::string const& instance)> place;
    os::AsyncEvent& changed;
    bool const& stopping;
  };

  LogFollow(Parts parts, LogWish wish);

  // Follows until all are gone, or it is cancelled.
  static Task<void> run(std::shared_ptr<LogFollow> self);

  // What has come; empty at the deadline, and once it is over.
  Task<std::vector<LogEvent>> next(os::AsyncEvent::TimePoint deadline);
  [[nodiscard]] bool over() const { return over_ && queue_.empty(); }
  // Cancelled, or the server ends: what is over is the telling alone.
  [[nodiscard]] bool cut_off() const { return cancelled_ || parts_.stopping; }
  // The engines' connections are free at once.
  void cancel();

 private:
  Task<void> follow(std::string instance);
  enum class Opened : std::uint8_t { no, yes };
  // `lines` of what there is already, if no cursor says where; 0: all.
  Task<Opened> follow_container(std::string instance, LogPlace place, int lines);
  Task<void> read_all(std::string instance, std::shared_ptr<LogStream> stream);
  Task<void> tell(std::string instance, LogEvent::Kind kind, std::string text = "");
  Task<void> push(LogEvent event);
  [[nodiscard]] bool wants(std::string const& instance) const {
    return wish_.instance.empty() || wish_.instance == instance;
  }

  Parts parts_;
  LogWish wish_;
  std::map<std::string, bool> followed_;  // whether it still is
  std::map<std::string, std::shared_ptr<LogStream>> streams_;
  std::set<std::string> troubled_;  // of which that was told
  LogCursors read_;                 // behind what was put into the queue
  LogCursors told_;                 // behind what was handed over
  std::deque<LogEvent> queue_;
  std::size_t queued_bytes_ = 0;
  os::AsyncEvent moved_;  // the queue has
  bool cancelled_ = false;
  bool over_ = false;
  os::TaskGroup tasks_;
};

}  // namespace drover::fleet
