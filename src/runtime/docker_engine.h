#pragma once
// The container engine as this server uses it: what it is, its images, its containers, its events.
// On the event loop. What is found out about it is kept until forget().
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "runtime/engine_client.h"
#include "runtime/engine_replies.h"

namespace drover::runtime {

class DockerEngine {
 public:
  // `label` is what this server's containers are known by, with its identity as the value.
  DockerEngine(boost::asio::io_context& io, EngineAddress address,
               std::string_view label = kServerLabel)
      : client_(io, std::move(address)), label_(label) {}

  // Refused where it cannot hold a sandbox of drover's.
  Task<Result<EngineFacts>> facts(std::string oci_runtime);
  // The engine may be another one when it answers again.
  void forget();

  // Pulled where it is missing; the progress in words goes to `told`.
  Task<Result<ImageFacts>> image(std::string name, std::function<void(std::string)> told);
  void forget_image(std::string const& name) { images_.erase(name); }

  // Its id. not_found: the image is gone; conflict: there is one of that name.
  Task<Result<std::string>> create(std::string name, json::object body);
  Task<Status> start(std::string container);
  // conflict: another has that name.
  Task<Status> rename(std::string container, std::string name);
  // One that has ended is no error.
  Task<Status> signal(std::string container, std::string name);
  // Done already is no error, and neither is one that is gone.
  Task<Status> pause(std::string container);
  Task<Status> unpause(std::string container);
  // SIGTERM, the grace, then SIGKILL. One that has ended or is gone is no error.
  Task<Status> stop(std::string container, Millis grace);
  // With its volumes that have no name, whether it runs or not. One that is gone is no error.
  Task<Status> remove(std::string container);
  Task<Result<ContainerEnd>> inspect(std::string container);
  // The last lines of both streams: untrusted text.
  static constexpr int kOutputLines = 200;
  Task<Result<std::string>> output(std::string container, int lines = kOutputLines);
  // The same as it is written, in frames of lines with the engine's time (output_frames.h), until
  // the container ends: the last `lines` of before, or all since a second of Unix time.
  struct OutputSince {
    int lines = 0;  // 0: all
    std::optional<std::string> second{};
  };
  Task<Result<std::unique_ptr<net::ResponseStream>>> follow_output(std::string container,
                                                                   OutputSince since);
  Task<Result<ContainerUsage>> usage(std::string container);

  // not_found where there is none of that name.
  Task<Result<Volume>> volume(std::string name);
  // One that is there already is left as it is.
  Task<Status> create_volume(std::string name, json::object labels);
  // One that is gone is no error; conflict: a container has it.
  Task<Status> remove_volume(std::string name);

  // Those that have the label of this server.
  Task<Result<std::vector<Container>>> list(std::string server);
  // The stream of their events.
  Task<Result<std::unique_ptr<net::ResponseStream>>> events(std::string server);

  [[nodiscard]] std::string const& address() const { return client_.address().text; }
  // Everything under way gets cancelled.
  void close() { client_.close(); }

 private:
  Task<Status> pull(std::string name, std::function<void(std::string)> told);

  [[nodiscard]] std::string label_of(std::string const& server) const;

  EngineClient client_;
  std::string label_;
  std::optional<EngineFacts> facts_;
  std::map<std::string, ImageFacts> images_;
};

}  // namespace drover::runtime
