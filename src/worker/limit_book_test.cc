#include "worker/limit_book.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include "broker/schema.h"
#include "os/files.h"
#include "store/scratch.h"
#include "worker/queue_limits.h"

namespace drover::worker {
namespace {

broker::QueueLimits at_once(std::int64_t count) {
  broker::QueueLimits limits;
  limits.global.concurrency_max = count;
  return limits;
}

class Book : public ::testing::Test {
 protected:
  struct Open {
    explicit Open(store::Scratch const& scratch)
        : writer(migrated(scratch), loop.get_executor()),
          queue(writer, clock, loop.get_executor()),
          book(writer, queue) {}
    static store::Database migrated(store::Scratch const& scratch) {
      auto database = scratch.open();
      EXPECT_TRUE(store::migrate(database, LimitBook::migrations()));
      return database;
    }
    Status load(store::Scratch const& scratch) {
      auto reader = scratch.open(store::OpenMode::reader);
      return book.load(reader, scratch.path("."));
    }
    Result<LimitBook::Present> put(std::int64_t count, std::optional<std::int64_t> revision = {}) {
      return store::finish(loop, book.put(at_once(count), revision));
    }
    boost::asio::io_context loop;
    SystemClock clock;
    store::Writer writer;
    broker::EmbeddedQueue queue;
    LimitBook book;
  };

  void file(std::string const& name, std::string const& text) {
    EXPECT_TRUE(os::write_file_atomic(scratch_.path(name), text));
  }

  store::Scratch scratch_;
};

TEST_F(Book, WhatTheApiStoredOutlivesTheServer) {
  {
    Open open{scratch_};
    ASSERT_TRUE(open.load(scratch_));
    EXPECT_EQ(open.book.present().origin, LimitBook::Origin::none);
    EXPECT_EQ(open.put(3)->revision, 1);
    EXPECT_EQ(open.put(4, 1)->revision, 2);
    auto const stale = open.put(5, 1);
    ASSERT_FALSE(stale);
    EXPECT_EQ(stale.error().code, ErrorCode::conflict);
  }
  Open open{scratch_};
  ASSERT_TRUE(open.load(scratch_));
  EXPECT_EQ(open.book.present().limits, at_once(4));
  EXPECT_EQ(open.book.present().origin, LimitBook::Origin::api);
  EXPECT_EQ(open.book.present().revision, 2);
}

TEST_F(Book, AFileStandsBeforeWhatWasStored) {
  {
    Open open{scratch_};
    ASSERT_TRUE(open.load(scratch_));
    ASSERT_TRUE(open.put(3));
  }
  file("queue.toml", "[global]\nconcurrency = 9\n");
  Open open{scratch_};
  ASSERT_TRUE(open.load(scratch_));
  EXPECT_EQ(open.book.present().limits, at_once(9));
  auto const put = open.put(1);
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, ErrorCode::conflict);
  EXPECT_TRUE(put.error().text().contains("queue.toml")) << put.error().text();
}

TEST_F(Book, AFileThatDoesNotFitIsNamedWithThePlace) {
  file("queue.toml", "[keys.a]\nconcurrency = 0\n");
  Open open{scratch_};
  auto const loaded = open.load(scratch_);
  ASSERT_FALSE(loaded);
  EXPECT_TRUE(loaded.error().text().contains("queue.toml")) << loaded.error().text();
  EXPECT_TRUE(loaded.error().text().contains("/keys/a/concurrency")) << loaded.error().text();
}

TEST_F(Book, TwoFilesAreAnError) {
  file("queue.toml", "");
  file("queue.json", "{}");
  Open open{scratch_};
  EXPECT_EQ(open.load(scratch_).error().code, ErrorCode::conflict);
}

}  // namespace
}  // namespace drover::worker
