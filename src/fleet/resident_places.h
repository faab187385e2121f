#pragma once
// The instances that run, with the line to the program of each: who is there, who is free, and what
// their programs say. On the event loop. Life: watch, any calls, close.
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "fleet/resident_turn.h"
#include "fleet/turn_moves.h"
#include "fleet/turn_places.h"
#include "os/async_event.h"
#include "os/blocking_pool.h"
#include "runtime/runtime.h"

namespace drover::fleet {

struct ResidentHealth {
  bool connected = false;  // its program speaks to this server
  std::chrono::steady_clock::time_point heard{};
  bool frozen = false;     // so that it is silent
  std::string workload{};  // what it works on; empty: nothing
};

// Shared, because its coroutines hold it.
class ResidentPlaces : public std::enable_shared_from_this<ResidentPlaces> {
 public:
  struct Parts {
    boost::asio::any_io_executor executor;
    os::BlockingPool& pool;
    TurnPlaces& places;
    std::shared_ptr<TurnMoves> moves;
    // The unit of a turn has ended, or can no longer be there.
    std::function<void(TurnPtr const&, runtime::Ending)> ended;
  };
  // Told when the program of one says something, a heartbeat too, and when it has become busy or
  // free.
  using Heard = std::function<void(std::string const& instance, bool busy)>;

  explicit ResidentPlaces(Parts parts);

  void watch();
  void on_heard(Heard listener) { heard_ = std::move(listener); }
  // No line speaks from here on.
  void close();

  [[nodiscard]] std::optional<ResidentHealth> health(std::string_view instance) const;
  // Instances of the agent whose program speaks to this server.
  [[nodiscard]] std::vector<std::string> connected(std::string_view agent) const;
  // `preferred`, if it is free for the agent; else any that is; nullptr where none is.
  [[nodiscard]] PlacePtr free_place(std::string const& agent, std::string_view preferred) const;
  [[nodiscard]] std::string why_none(std::string_view agent) const {
    return parts_.places.why_none(agent);
  }
  // Ends it when whoever asked is cut off at a wait.
  Task<Result<int>> run_command(std::string instance, ResidentCommand command);

  // It has become busy or free.
  void tell(ResidentPlace const& place);
  // It could not be made as it was before its turn.
  void give_up(ResidentPlace const& place, Error const& error);
  [[nodiscard]] os::AsyncEvent& changed() { return changed_; }

 private:
  void look();
  void add(TurnPlace instance);
  void lose(PlacePtr const& place);
  [[nodiscard]] ResidentLine::Hooks hooks(std::weak_ptr<ResidentPlace> const& place);
  void hear_hello(PlacePtr const& place, std::vector<std::string> const& running);
  void hear_end(ResidentPlace& place, std::string const& id, int status);
  void compare(ResidentPlace const& place, std::vector<std::string> const& running);
  void clean(PlacePtr const& place);
  static Task<void> clean_later(std::shared_ptr<ResidentPlaces> self, PlacePtr place);

  Parts parts_;
  std::map<std::string, PlacePtr, std::less<>> places_;
  Heard heard_ = [](std::string const&, bool) {};
  os::AsyncEvent changed_;
  std::uint64_t commands_ = 0;
  bool closed_ = false;
};

}  // namespace drover::fleet
