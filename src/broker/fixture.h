#pragma once
// For tests: a store with the broker's tables, its writer and readers, and a loop.
#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "broker/schema.h"
#include "store/reader.h"
#include "store/scratch.h"
#include "store/writer.h"

namespace drover::broker {

inline store::Database open_migrated(store::Scratch const& scratch) {
  auto database = scratch.open();
  if (auto done = store::migrate(database, migrations()); !done)
    throw std::runtime_error(done.error().text());
  return database;
}

// Declared in the order of life: the loop goes last.
struct Engine {
  explicit Engine(store::Scratch const& scratch)
      : pool(2),
        writer(open_migrated(scratch), loop.get_executor()),
        readers(scratch.path(), pool) {}

  boost::asio::io_context loop;
  os::BlockingPool pool;
  store::Writer writer;
  store::Readers readers;

  template <class T>
  T finish(Task<T> task) {
    return store::finish(loop, std::move(task));
  }
  // Runs `task` beside others.
  void start(Task<void> task) {
    boost::asio::co_spawn(loop, std::move(task), [](std::exception_ptr const& thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }
  // Runs what is ready, and what becomes so for a little while.
  void run_for(Millis time) {
    loop.restart();
    loop.run_for(time);
  }
};

}  // namespace drover::broker
