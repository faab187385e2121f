#pragma once
// A few threads for work that blocks (hashing, git, file reads), so that the event loop never does.
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace drover {

// A coroutine on the event loop.
template <class T>
using Task = boost::asio::awaitable<T>;

}  // namespace drover

namespace drover::os {

// Thread-safe. The destructor waits for the work that runs and drops none that was posted.
class BlockingPool {
 public:
  explicit BlockingPool(std::size_t threads)
      : pool_(std::make_unique<boost::asio::thread_pool>(threads)),
        executor_(pool_->get_executor()) {}
  // Without threads: the work is done by whoever runs `executor`, for the simulator.
  explicit BlockingPool(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
  ~BlockingPool() {
    if (pool_) pool_->join();
  }
  BlockingPool(BlockingPool const&) = delete;
  BlockingPool& operator=(BlockingPool const&) = delete;

  // Runs `work` on a pool thread and resumes the caller on its own executor with the result.
  // `work` must not throw; it returns a Result or a plain value, never void.
  template <class Work>
  Task<std::invoke_result_t<Work&>> run(Work work) {
    using Value = std::invoke_result_t<Work&>;
    auto initiate = [this](auto handler, Work job) {
      auto executor = boost::asio::get_associated_executor(handler);
      boost::asio::post(
          executor_, [executor, handler = std::move(handler), job = std::move(job)]() mutable {
            auto value = std::make_unique<Value>(job());
            boost::asio::post(executor,
                              [handler = std::move(handler), value = std::move(value)]() mutable {
                                std::move(handler)(std::move(value));
                              });
          });
    };
    // The result travels by pointer because an Asio completion value must be default-constructible.
    std::unique_ptr<Value> value =
        co_await boost::asio::async_initiate<boost::asio::use_awaitable_t<> const,
                                             void(std::unique_ptr<Value>)>(
            initiate, boost::asio::use_awaitable, std::move(work));
    co_return std::move(*value);
  }

 private:
  std::unique_ptr<boost::asio::thread_pool> pool_;
  boost::asio::any_io_executor executor_;
};

}  // namespace drover::os
