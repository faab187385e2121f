#pragma once
// Internal to the server: one answer on one connection, as HTTP/1.1 bytes.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/http_server.h"
#include "net/stream_io.h"

namespace drover::net {

struct ReplyTraits {  // what the request said about its answer
  bool to_head = false;
  bool http_1_0 = false;
  bool keep_alive = true;
};

class StreamReply final : public HttpReply {
 public:
  StreamReply(std::shared_ptr<StreamIo> io, ReplyTraits traits)
      : io_(std::move(io)), traits_(traits) {}
  ~StreamReply() override { io_->watch(nullptr); }
  StreamReply(StreamReply const&) = delete;
  StreamReply& operator=(StreamReply const&) = delete;

  Task<Status> send(int status, Headers headers, std::string body) override;
  Task<Status> begin_stream(int status, Headers headers) override;
  Task<Status> write(SharedBytes bytes) override;
  Task<Status> write(std::vector<SharedBytes> buffers) override;
  Task<Status> end() override;
  Task<Result<TakenConnection>> take_connection() override;
  [[nodiscard]] bool peer_gone() override { return io_->peer_gone(); }
  void on_peer_gone(std::function<void()> callback) override { io_->watch(std::move(callback)); }

  [[nodiscard]] bool untouched() const { return phase_ == Phase::none; }
  [[nodiscard]] bool complete() const { return phase_ == Phase::ended; }
  [[nodiscard]] bool keep_alive() const { return complete() && traits_.keep_alive; }

 private:
  enum class Phase : std::uint8_t { none, streaming, ended, lost, taken };

  [[nodiscard]] Result<std::string> print_head(int status, Headers const& headers,
                                               std::string_view framing);
  Task<Status> write_parts(std::vector<iovec> parts);

  std::shared_ptr<StreamIo> io_;  // shared with its timer and watch
  ReplyTraits traits_;
  Phase phase_ = Phase::none;
};

}  // namespace drover::net
