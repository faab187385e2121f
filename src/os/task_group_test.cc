#include "os/task_group.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "base/log.h"

namespace drover::os {
namespace {

using std::chrono::steady_clock;

Task<void> until_notified(AsyncEvent& event) {
  co_await event.wait(event.version());
}

Task<void> that_throws() {
  throw std::runtime_error("on purpose");
  co_return;
}

enum class Joined : std::uint8_t { not_yet, all, not_all };

Task<void> join_then_tell(TaskGroup& group, AsyncEvent::TimePoint deadline, Joined& joined) {
  bool const all = co_await group.join(deadline);
  joined = all ? Joined::all : Joined::not_all;
}

TEST(TaskGroup, JoinReturnsWhenTheLastTaskHasEnded) {
  boost::asio::io_context loop;
  AsyncEvent first{loop.get_executor()};
  AsyncEvent second{loop.get_executor()};
  TaskGroup group{loop.get_executor(), "test"};
  group.spawn(until_notified(first), "first");
  group.spawn(until_notified(second), "second");
  Joined joined = Joined::not_yet;
  boost::asio::co_spawn(loop, join_then_tell(group, AsyncEvent::kForever, joined),
                        boost::asio::detached);
  loop.poll();
  EXPECT_EQ(group.running(), 2U);
  first.notify();
  loop.poll();
  EXPECT_EQ(group.running(), 1U);
  EXPECT_EQ(joined, Joined::not_yet);
  second.notify();
  loop.poll();
  EXPECT_EQ(joined, Joined::all);
}

TEST(TaskGroup, JoinGivesUpAtItsDeadlineAndCanBeTriedAgain) {
  boost::asio::io_context loop;
  AsyncEvent event{loop.get_executor()};
  TaskGroup group{loop.get_executor(), "test"};
  group.spawn(until_notified(event), "slow");
  Joined joined = Joined::not_yet;
  auto const soon = steady_clock::now() + std::chrono::milliseconds{5};
  boost::asio::co_spawn(loop, join_then_tell(group, soon, joined), boost::asio::detached);
  while (joined == Joined::not_yet)
    loop.run_one();
  EXPECT_EQ(joined, Joined::not_all);
  EXPECT_EQ(group.running(), 1U);
  event.notify();
  boost::asio::co_spawn(loop, join_then_tell(group, AsyncEvent::kForever, joined),
                        boost::asio::detached);
  loop.run();
  EXPECT_EQ(joined, Joined::all);
}

TEST(TaskGroup, ATaskThatThrowsIsLoggedAndEndsAlone) {
  boost::asio::io_context loop;
  AsyncEvent event{loop.get_executor()};
  TaskGroup group{loop.get_executor(), "test"};
  group.spawn(until_notified(event), "quiet");
  group.spawn(that_throws(), "loud");
  ::testing::internal::CaptureStderr();
  loop.poll();
  std::string const log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("test-task-failed task=loud"), std::string::npos) << log;
  EXPECT_NE(log.find("on purpose"), std::string::npos) << log;
  EXPECT_EQ(group.running(), 1U);
  event.notify();
  loop.run();
  EXPECT_EQ(group.running(), 0U);
}

}  // namespace
}  // namespace drover::os
