#include "store/disk_reserve.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "store/scratch.h"

namespace drover::store {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20U;

struct Fixture {
  Scratch scratch;
  boost::asio::io_context io;
  os::BlockingPool pool{1};
  DiskReserveOptions options(std::uint64_t bytes) const {
    return {.path = scratch.path("reserve"), .bytes = bytes, .look_every = Millis{5}};
  }
};

TEST(DiskReserve, HoldsRealBlocksAndGivesThemBack) {
  Fixture fixture;
  DiskReserve reserve{fixture.options(kMebibyte), fixture.io.get_executor(), fixture.pool};
  EXPECT_FALSE(reserve.held());
  EXPECT_FALSE(reserve.room());
  ASSERT_TRUE(reserve.hold());
  EXPECT_TRUE(reserve.held());
  EXPECT_TRUE(reserve.room());
  struct stat info{};
  ASSERT_EQ(::stat(fixture.scratch.path("reserve").c_str(), &info), 0);
  EXPECT_GE(static_cast<std::uint64_t>(info.st_blocks) * 512, kMebibyte);

  reserve.give_up();
  reserve.give_up();
  EXPECT_FALSE(reserve.held());
  EXPECT_FALSE(std::filesystem::exists(fixture.scratch.path("reserve")));
  auto const room = reserve.room();
  ASSERT_FALSE(room);
  EXPECT_EQ(room.error().code, ErrorCode::no_space);
  EXPECT_TRUE(room.error().next.contains("2 MiB")) << room.error().text();
}

TEST(DiskReserve, AFileOfAnEarlierServerIsTakenUpAtItsNewSize) {
  Fixture fixture;
  for (std::uint64_t const bytes : {2 * kMebibyte, kMebibyte, 3 * kMebibyte}) {
    DiskReserve reserve{fixture.options(bytes), fixture.io.get_executor(), fixture.pool};
    ASSERT_TRUE(reserve.hold());
    EXPECT_EQ(std::filesystem::file_size(fixture.scratch.path("reserve")), bytes);
  }
}

TEST(DiskReserve, MoreThanTheDiskHasLeavesNothingBehind) {
  Fixture fixture;
  DiskReserve reserve{fixture.options(std::uint64_t{1} << 60U), fixture.io.get_executor(),
                      fixture.pool};
  auto const held = reserve.hold();
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, ErrorCode::no_space);
  EXPECT_FALSE(std::filesystem::exists(fixture.scratch.path("reserve")));
}

TEST(DiskReserve, WithoutASizeItIsAlwaysHeld) {
  Fixture fixture;
  DiskReserve reserve{fixture.options(0), fixture.io.get_executor(), fixture.pool};
  EXPECT_TRUE(reserve.held());
  reserve.give_up();
  EXPECT_TRUE(reserve.room());
  EXPECT_FALSE(std::filesystem::exists(fixture.scratch.path("reserve")));
}

Task<bool> wait_until_held(DiskReserve& reserve) {
  auto const deadline = std::chrono::steady_clock::now() + kTestDeadline;
  while (!reserve.held() && std::chrono::steady_clock::now() < deadline)
    co_await reserve.wait_change(deadline);
  co_return reserve.held();
}

TEST(DiskReserve, TheWatchTakesItAgainAndEndsWhenStopped) {
  Fixture fixture;
  DiskReserve reserve{fixture.options(kMebibyte), fixture.io.get_executor(), fixture.pool};
  ASSERT_TRUE(reserve.hold());
  reserve.give_up();
  bool ended = false;
  boost::asio::co_spawn(fixture.io, reserve.watch(),
                        [&](std::exception_ptr const&) { ended = true; });
  EXPECT_TRUE(finish(fixture.io, wait_until_held(reserve)));
  EXPECT_TRUE(std::filesystem::exists(fixture.scratch.path("reserve")));
  reserve.stop();
  fixture.io.restart();
  fixture.io.run();
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace drover::store
