#pragma once
// For tests: a folder of their own, and a loop to run a task to its end.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/error.h"
#include "os/blocking_pool.h"
#include "os/files.h"
#include "store/database.h"

namespace drover::store {

class Scratch {
 public:
  Scratch() {
    char const* const base = std::getenv("TMPDIR");
    folder_ = std::string{base == nullptr ? "/tmp" : base} + "/drover-store-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
  }
  ~Scratch() { EXPECT_TRUE(os::remove_tree(folder_)); }
  Scratch(Scratch const&) = delete;
  Scratch& operator=(Scratch const&) = delete;

  [[nodiscard]] std::string path(std::string const& name = "state.db") const {
    return folder_ + "/" + name;
  }
  [[nodiscard]] Database open(OpenMode mode = OpenMode::writer,
                              OpenOptions const& options = {}) const {
    auto database = Database::open(path(), mode, options);
    if (!database) throw std::runtime_error(database.error().text());
    return std::move(*database);
  }

 private:
  std::string folder_;
};

// The first column of the first row.
inline std::int64_t read_integer(Database& database, std::string_view sql) {
  auto statement = database.query(sql);
  if (!statement) throw std::runtime_error(statement.error().text());
  auto const row = statement->step();
  if (!row) throw std::runtime_error(row.error().text());
  return *row ? statement->integer(0) : -1;
}

constexpr std::chrono::seconds kTestDeadline{20};

// Runs the loop until the condition holds; fails the test when that takes too long.
template <class Condition>
void run_until(boost::asio::io_context& loop, Condition condition) {
  constexpr std::chrono::milliseconds kLook{20};
  auto const deadline = std::chrono::steady_clock::now() + kTestDeadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("not in time");
    loop.restart();
    loop.run_one_for(kLook);
  }
}

// Runs the loop until `task` is done; fails the test when that takes too long.
template <class T>
T finish(boost::asio::io_context& loop, Task<T> task) {
  std::optional<T> result;
  std::exception_ptr thrown;
  boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr const& problem, T value) {
    thrown = problem;
    result.emplace(std::move(value));
  });
  loop.restart();
  auto const deadline = std::chrono::steady_clock::now() + kTestDeadline;
  while (!result && loop.run_one_until(deadline) > 0) {
  }
  if (!result) throw std::runtime_error("the task did not end in time");
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*result);
}

}  // namespace drover::store
