#include "os/blocking_pool.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "base/error.h"

namespace drover::os {
namespace {

struct Seen {
  std::thread::id worked_on;
  std::thread::id resumed_on;
  std::string value;
};

Task<void> use_pool(BlockingPool& pool, Seen& seen) {
  auto result = co_await pool.run([&seen]() -> Result<std::string> {
    seen.worked_on = std::this_thread::get_id();
    return std::string{"done"};
  });
  seen.resumed_on = std::this_thread::get_id();
  seen.value = *result;
}

TEST(BlockingPool, WorksElsewhereAndResumesOnTheLoop) {
  boost::asio::io_context loop;
  BlockingPool pool{2};
  Seen seen;
  boost::asio::co_spawn(loop, use_pool(pool, seen), boost::asio::detached);
  loop.run();
  EXPECT_EQ(seen.value, "done");
  EXPECT_EQ(seen.resumed_on, std::this_thread::get_id());
  EXPECT_NE(seen.worked_on, std::this_thread::get_id());
}

}  // namespace
}  // namespace drover::os
