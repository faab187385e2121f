#include "os/async_event.h"

#include <gtest/gtest.h>

#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace drover::os {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Task<void> wait_then_mark(AsyncEvent& event, AsyncEvent::TimePoint deadline, int mark,
                          std::vector<int>& marks) {
  co_await event.wait(event.version(), deadline);
  marks.push_back(mark);
}

TEST(AsyncEvent, WakesEveryWaiterAtOnce) {
  boost::asio::io_context loop;
  AsyncEvent event{loop.get_executor()};
  std::vector<int> marks;
  auto const far = steady_clock::now() + std::chrono::hours{1};
  boost::asio::co_spawn(loop, wait_then_mark(event, far, 1, marks), boost::asio::detached);
  boost::asio::co_spawn(loop, wait_then_mark(event, AsyncEvent::kForever, 2, marks),
                        boost::asio::detached);
  loop.poll();
  EXPECT_TRUE(marks.empty());
  event.notify();
  loop.run();  // would last an hour if the first waiter had not been woken
  EXPECT_EQ(marks, (std::vector<int>{1, 2}));
}

TEST(AsyncEvent, ReturnsAtTheDeadline) {
  boost::asio::io_context loop;
  AsyncEvent event{loop.get_executor()};
  std::vector<int> marks;
  auto const start = steady_clock::now();
  boost::asio::co_spawn(loop, wait_then_mark(event, start + milliseconds{20}, 1, marks),
                        boost::asio::detached);
  loop.run();
  EXPECT_EQ(marks, std::vector<int>{1});
  EXPECT_GE(steady_clock::now() - start, milliseconds{20});
}

TEST(AsyncEvent, ANotificationBeforeTheWaitIsNotLost) {
  boost::asio::io_context loop;
  AsyncEvent event{loop.get_executor()};
  auto const seen = event.version();
  event.notify();
  bool returned = false;
  boost::asio::co_spawn(loop, event.wait(seen),
                        [&returned](std::exception_ptr const&) { returned = true; });
  loop.run();
  EXPECT_TRUE(returned);
}

}  // namespace
}  // namespace drover::os
