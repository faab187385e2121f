#pragma once
// The connection to an engine: its stream of events, opened again whenever it breaks, while
// somebody needs it. On the event loop; part of an owner that its coroutines keep.
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "os/async_event.h"
#include "runtime/docker_engine.h"

namespace drover::runtime {

class EngineWatch {
 public:
  struct Hooks {
    // Whose containers' events are wanted. Asked before each try.
    std::function<Task<Result<std::string>>()> identity;
    // The stream is open and nothing of it was read: what came before it is looked up now.
    std::function<Task<Status>()> began;
    std::function<void(EngineEvent const&)> heard;
    // Whether an engine that does not answer is tried again by itself.
    std::function<bool()> needed;
  };

  EngineWatch(boost::asio::any_io_executor executor, DockerEngine& engine, std::string oci_runtime,
              Hooks hooks);

  // Tries now, and watches from then on. `owner` holds this object.
  void start(std::shared_ptr<void> owner);
  // Until the engine is heard, or the next try failed: its error.
  Task<Status> connect(std::shared_ptr<void> owner);
  void close();

 private:
  static Task<void> watch(EngineWatch& self, std::shared_ptr<void> owner);
  Task<Status> follow();
  Task<Status> listen(net::ResponseStream& events);

  DockerEngine& engine_;
  std::string oci_runtime_;
  Hooks hooks_;
  boost::asio::any_io_executor executor_;
  os::AsyncEvent changed_;
  std::optional<Error> last_failure_;
  std::uint64_t attempts_ = 0;
  bool watching_ = false;
  bool connected_ = false;  // nothing that the engine said is unknown
  bool hurry_ = false;      // somebody waits for it
  bool closed_ = false;
};

}  // namespace drover::runtime
