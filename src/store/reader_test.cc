#include "store/reader.h"

#include <gtest/gtest.h>

#include <thread>

#include <boost/asio/io_context.hpp>

#include "store/scratch.h"
#include "store/writer.h"

namespace drover::store {
namespace {

class ReadersTest : public testing::Test {
 protected:
  Scratch scratch;
  boost::asio::io_context loop;
  os::BlockingPool pool{2};
  Writer writer{scratch.open(), loop.get_executor()};
  Readers readers{scratch.path(), pool};

  Task<Result<std::int64_t>> write_then_read() {
    auto const written = co_await writer.run([](Transaction& transaction) -> Status {
      return transaction.db().execute("CREATE TABLE t(n); INSERT INTO t VALUES(41)");
    });
    if (!written) co_return std::unexpected(written.error());
    co_return co_await readers.run([](Database& database) -> Result<std::int64_t> {
      return read_integer(database, "SELECT n FROM t");
    });
  }
};

TEST_F(ReadersTest, SeeWhatHasCompleted) {
  auto const value = finish(loop, write_then_read());
  ASSERT_TRUE(value) << value.error().text();
  EXPECT_EQ(*value, 41);
}

TEST_F(ReadersTest, OneCallIsOneSnapshot) {
  ASSERT_TRUE(finish(loop, write_then_read()));
  auto const seen = readers.run_blocking([this](Database& database) -> Result<bool> {
    auto const before = read_integer(database, "SELECT n FROM t");
    auto const written = writer.run_blocking([](Transaction& transaction) -> Status {
      return transaction.db().run("UPDATE t SET n=n+1");
    });
    EXPECT_TRUE(written);
    return before == read_integer(database, "SELECT n FROM t");
  });
  EXPECT_TRUE(seen.value());
  auto const later = readers.run_blocking([](Database& database) -> Result<std::int64_t> {
    return read_integer(database, "SELECT n FROM t");
  });
  EXPECT_EQ(later.value(), 42);
}

TEST_F(ReadersTest, CannotWriteAndGoOnAfterAnError) {
  ASSERT_TRUE(finish(loop, write_then_read()));
  auto const refused = readers.run_blocking(
      [](Database& database) -> Status { return database.run("DELETE FROM t"); });
  EXPECT_EQ(refused.error().code, ErrorCode::forbidden);
  EXPECT_TRUE(readers.run_blocking(
      [](Database& database) -> Status { return database.run("SELECT n FROM t"); }));
}

}  // namespace
}  // namespace drover::store
