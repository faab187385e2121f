#pragma once
// Whose turn it is among tenants of one priority level: start-time fair queueing with weights.
//
// Each tenant that has work carries a tag, and the smallest goes next. Being served moves the tag
// on by one step over the weight, so that of two tenants that both have work throughout, neither
// gets ahead of its share by more than one step of its own and one of the other's. A tenant that
// had no work joins at the present turn: idle time earns nothing. One that had work which nobody
// could take (its key was full, no worker wanted its type) is owed kOwedMax turns at most.
//
// Tags are not stored: after a restart all tenants are even.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace drover::broker {

inline constexpr std::int64_t kWeightMax = 1000;

class FairOrder {
 public:
  using Tag = std::int64_t;
  static constexpr Tag kTurn = Tag{1} << 28U;  // one turn at weight 1
  static constexpr std::int64_t kOwedMax = 16;

  // One entry more, or less, that could go.
  void add(std::string const& tenant);
  void remove(std::string const& tenant);
  // The tenant has work.
  [[nodiscard]] Tag tag(std::string_view tenant) const;
  // The tenant has work, and one entry of it goes. Weight is 1 to kWeightMax.
  void serve(std::string_view tenant, std::int64_t weight);

 private:
  struct Tenant {
    Tag tag = 0;
    std::size_t entries = 0;
  };
  void forget_even();
  std::map<std::string, Tenant, std::less<>> tenants_;
  std::set<std::pair<Tag, std::string>> idle_;  // those with a tag that is still ahead
  Tag now_ = 0;                                 // the tag of the last one served
};

}  // namespace drover::broker
