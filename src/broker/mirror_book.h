#pragma once
// How far each event stream has been copied to Redis, and which are to be copied on. Pure.
//
// A stream is known here while it is open or not copied to its end.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace drover::broker {

class MirrorBook {
 public:
  // The store has events `first_seq` to `last_seq` more.
  void published(std::string const& name, std::int64_t first_seq, std::int64_t last_seq,
                 bool closed);
  // The store has the stream so far, and Redis nobody knows how much of it.
  void doubt(std::string const& name, std::int64_t last_seq, bool closed);
  // Redis has the stream up to `have`.
  void answered(std::string const& name, std::int64_t have);

  struct Next {
    std::string name;
    std::optional<std::int64_t> after;  // copy what follows this; nullopt: ask how far Redis is
    std::int64_t last_seq = 0;
    bool closed = false;
  };
  // Streams with something to do, at most `most`. Each comes once before one comes twice.
  [[nodiscard]] std::vector<Next> next(std::size_t most);
  void clear();
  [[nodiscard]] bool done() const { return waiting_ == 0; }
  // Streams that are not copied to their end.
  [[nodiscard]] std::size_t behind() const { return waiting_; }

 private:
  struct Stream {
    std::optional<std::int64_t> have;
    std::int64_t last_seq = 0;
    bool closed = false;
    [[nodiscard]] bool waits() const { return !have || *have < last_seq; }
  };
  void change(std::string const& name, Stream changed);
  std::map<std::string, Stream> streams_;
  std::size_t waiting_ = 0;
  std::string turn_;  // the last one that next() gave
};

}  // namespace drover::broker
