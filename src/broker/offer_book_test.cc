#include "broker/offer_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace drover::broker {
namespace {

constexpr std::size_t kWindow = 4;

OfferLane lane(PriorityLevel level = PriorityLevel::normal) {
  return {"agent", "default", level};
}

Offer offer(int run, std::int64_t after = 0, OfferLane where = lane()) {
  return {{RunId::trusted("run-" + std::to_string(run)), Epoch{after}}, std::move(where)};
}

bool yes(OfferedRun const&) {
  return true;
}

TEST(OfferBook, FillsEachLaneToItsWindow) {
  OfferBook book{kWindow};
  std::vector<Offer> offerable;
  for (int i = 0; i < 10; ++i)
    offerable.push_back(offer(i));
  offerable.push_back(offer(99, 0, lane(PriorityLevel::high)));
  auto const first = book.to_send(offerable);
  ASSERT_EQ(first.size(), kWindow + 1);
  EXPECT_EQ(first.front(), offer(0));
  for (Offer const& one : first)
    book.sent(one, "id");
  EXPECT_TRUE(book.to_send(offerable).empty());
  book.forget(first[1].offered);
  EXPECT_EQ(book.to_send(offerable), std::vector{first[1]});
}

TEST(OfferBook, AnotherAttemptIsAnotherOffer) {
  OfferBook book{kWindow};
  book.sent(offer(1, 0), "a");
  EXPECT_EQ(book.to_send({offer(1, 1)}), std::vector{offer(1, 1)});
  // A worker that is late with the first does not take the second away.
  book.sent(offer(1, 1), "b");
  book.forget(offer(1, 0).offered);
  EXPECT_EQ(book.size(), 1U);
}

TEST(OfferBook, KeepsOfAStreamWhatStandsOnceAndRemovesTheRest) {
  OfferBook book{kWindow};
  book.sent(offer(1), "1-0");
  book.sent(offer(2), "2-0");
  auto const stands = [](OfferedRun const& offered) { return offered.run.str() != "run-3"; };
  // 2 is lost, 3 is over, 4 was sent by an earlier process, and 1 is there twice.
  auto const others = book.reconcile(lane(),
                                     {{"1-0", offer(1)},
                                      {"3-0", offer(3)},
                                      {"4-0", offer(4)},
                                      {"5-0", offer(1)},
                                      {"6-0", std::nullopt}},
                                     stands);
  EXPECT_THAT(others, testing::ElementsAre("3-0", "5-0", "6-0"));
  EXPECT_EQ(book.to_send({offer(1), offer(2), offer(4)}), std::vector{offer(2)});
}

// Redis as a list of entries that loses, doubles and keeps what it was told to remove.
TEST(OfferBook, ComesToRestWhateverRedisLoses) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random{seed};
    OfferBook book{kWindow};
    std::vector<OfferBook::Found> stream;
    std::set<int> claimable;
    int ids = 0;
    int runs = 0;
    auto const stands = [&](OfferedRun const& offered) {
      return claimable.contains(std::stoi(offered.run.str().substr(4)));
    };
    auto const settle = [&](bool reliable) {
      for (OfferBook::Placed const& placed : book.take_withdrawn(stands))
        std::erase_if(stream, [&](auto const& entry) { return entry.id == placed.id; });
      std::vector<Offer> offerable;
      for (int const run : claimable)
        offerable.push_back(offer(run));
      for (Offer const& one : book.to_send(offerable)) {
        std::string const id = std::to_string(++ids);
        book.sent(one, id);
        if (reliable || random.below(4) > 0) stream.push_back({id, one});
      }
    };
    auto const compare = [&] {
      for (std::string const& id : book.reconcile(lane(), stream, stands))
        std::erase_if(stream, [&](auto const& entry) { return entry.id == id; });
    };
    for (int step = 0; step < 60; ++step) {
      switch (random.below(6)) {
        case 0:
        case 1:
          claimable.insert(++runs);
          break;
        case 2:  // claimed, and the worker takes its entry off, or dies before that
          if (!claimable.empty()) {
            int const run = *claimable.begin();
            claimable.erase(run);
            book.forget(offer(run).offered);
            if (random.below(2) == 0)
              std::erase_if(stream, [&](auto const& entry) { return entry.offer == offer(run); });
          }
          break;
        case 3:
          if (!stream.empty())
            stream.erase(stream.begin() + static_cast<std::ptrdiff_t>(random.below(stream.size())));
          break;
        case 4:
          if (!stream.empty()) stream.push_back({std::to_string(++ids), stream.front().offer});
          break;
        default:
          if (random.below(5) == 0) stream.clear();
      }
      settle(false);
      ASSERT_LE(book.size(), kWindow);
    }
    compare();
    settle(true);
    std::multiset<std::string> out;
    for (auto const& entry : stream)
      out.insert(entry.offer->offered.run.str());
    ASSERT_EQ(out.size(), std::min(kWindow, claimable.size())) << "seed " << seed;
    ASSERT_EQ(std::set<std::string>(out.begin(), out.end()).size(), out.size()) << "seed " << seed;
    for (auto const& entry : stream)
      ASSERT_TRUE(stands(entry.offer->offered)) << "seed " << seed;
  }
}

TEST(OfferBook, GivesBackWhatNoLongerStands) {
  OfferBook book{kWindow};
  book.sent(offer(1), "1-0");
  book.sent(offer(2), "2-0");
  auto const gone =
      book.take_withdrawn([](OfferedRun const& offered) { return offered.run.str() == "run-2"; });
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone.front().id, "1-0");
  EXPECT_TRUE(book.take_withdrawn(yes).empty());
  EXPECT_EQ(book.out_in(lane()), 1U);
}

}  // namespace
}  // namespace drover::broker
