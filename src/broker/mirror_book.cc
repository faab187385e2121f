#include "broker/mirror_book.h"

#include <algorithm>

namespace drover::broker {

void MirrorBook::change(std::string const& name, Stream changed) {
  auto const before = streams_.find(name);
  bool const waited = before != streams_.end() && before->second.waits();
  bool const waits = changed.waits();
  if (waits && !waited) ++waiting_;
  if (!waits && waited) --waiting_;
  if (changed.closed && !waits) {
    if (before != streams_.end()) streams_.erase(before);
    return;
  }
  streams_.insert_or_assign(name, changed);
}

void MirrorBook::published(std::string const& name, std::int64_t first_seq, std::int64_t last_seq,
                           bool closed) {
  auto const known = streams_.find(name);
  Stream stream;
  // What came before was copied, or the copy says that it was not.
  stream.have = first_seq - 1;
  if (known != streams_.end()) stream = known->second;
  stream.last_seq = std::max(stream.last_seq, last_seq);
  stream.closed = stream.closed || closed;
  change(name, stream);
}

void MirrorBook::doubt(std::string const& name, std::int64_t last_seq, bool closed) {
  auto const known = streams_.find(name);
  Stream stream;
  if (known != streams_.end()) stream = known->second;
  stream.have.reset();
  stream.last_seq = std::max(stream.last_seq, last_seq);
  stream.closed = stream.closed || closed;
  change(name, stream);
}

void MirrorBook::answered(std::string const& name, std::int64_t have) {
  auto const known = streams_.find(name);
  if (known == streams_.end()) return;
  Stream stream = known->second;
  stream.have = have;
  change(name, stream);
}

void MirrorBook::clear() {
  streams_.clear();
  waiting_ = 0;
}

std::vector<MirrorBook::Next> MirrorBook::next(std::size_t most) {
  std::vector<Next> all;
  if (waiting_ == 0) return all;
  auto at = streams_.upper_bound(turn_);
  for (std::size_t seen = 0; seen < streams_.size() && all.size() < most; ++seen, ++at) {
    if (at == streams_.end()) at = streams_.begin();
    auto const& [name, stream] = *at;
    if (!stream.waits()) continue;
    all.push_back({name, stream.have, stream.last_seq, stream.closed});
    turn_ = name;
  }
  return all;
}

}  // namespace drover::broker
