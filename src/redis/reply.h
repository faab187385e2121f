#pragma once
// The Redis protocol (RESP2) as values: replies, an incremental parser for them, and commands as
// bytes. Pure; the parser belongs to one connection.
//
// RESP2 suffices, because drover asks for it (HELLO 2). The parser is strict: what RESP2 does not
// have, a number that is no number and a line that ends otherwise than in CR LF are errors, after
// which the connection is of no use.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover::redis {

struct Reply {
  enum class Kind : std::uint8_t { nil, status, error, integer, bulk, array };
  Kind kind = Kind::nil;
  std::string text;  // of status, error and bulk
  std::int64_t integer = 0;
  std::vector<Reply> items;  // of array

  [[nodiscard]] bool is_nil() const { return kind == Kind::nil; }
  [[nodiscard]] bool is_error() const { return kind == Kind::error; }
  [[nodiscard]] bool is_text() const { return kind == Kind::bulk || kind == Kind::status; }
  [[nodiscard]] bool is_array() const { return kind == Kind::array; }
  friend bool operator==(Reply const&, Reply const&) = default;
};

// "XADD", "task:run:…", …
using Command = std::vector<std::string>;

[[nodiscard]] std::size_t encoded_size(Command const& command);
void append_command(std::string& out, Command const& command);

struct ReplyBounds {
  std::size_t bytes_max = std::size_t{32} << 20U;  // of one reply with all that is in it
  std::size_t items_max = 100'000;                 // of one reply, nested ones included
  std::size_t depth_max = 8;
};

class ReplyParser {
 public:
  explicit ReplyParser(ReplyBounds bounds = {}) : bounds_(bounds) {}

  void feed(std::string_view bytes);
  // The next whole reply; nullopt when more bytes are needed. After an error nothing more comes of
  // this parser. upstream: not RESP2; too_large: over a bound.
  [[nodiscard]] Result<std::optional<Reply>> next();

 private:
  struct Open {  // an array whose items are still coming
    Reply reply;
    std::size_t missing = 0;
  };
  [[nodiscard]] Result<std::optional<std::string_view>> line();
  [[nodiscard]] Result<std::optional<Reply>> element();
  [[nodiscard]] Result<std::optional<Reply>> bulk();
  [[nodiscard]] Result<std::optional<Reply>> open_array(std::int64_t count);
  [[nodiscard]] Status count_bytes(std::size_t bytes);
  [[nodiscard]] std::optional<Reply> close(Reply reply);

  ReplyBounds bounds_;
  std::string buffer_;
  std::size_t at_ = 0;                    // of buffer_, what has been read
  std::size_t searched_ = 0;              // behind at_, where no line end was found
  std::optional<std::size_t> bulk_size_;  // its header was read, its bytes are still coming
  std::vector<Open> open_;
  std::size_t bytes_ = 0;  // of the reply that is being read
  std::size_t items_ = 0;
};

}  // namespace drover::redis
