#pragma once
// A connection to one SQLite file and its prepared statements.
//
// Thread-safety: none; a connection and its statements belong to one thread at a time.
// Life: a Statement must not outlive its Database.
// Errors: no_space (disk or quota full), data_corrupt (with what to do), conflict (a constraint, or
// the file is busy), too_large, forbidden; anything else of SQLite's is internal.
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace drover::store {

// Bytes that are no text.
struct Blob {
  std::string_view bytes;
};

// A prepared statement, borrowed from the cache of its Database and reset when it goes.
// Parameters count from 1, columns from 0. A failed bind is reported by the next step().
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, double value);
  Statement& bind(int parameter, std::string_view value);
  Statement& bind(int parameter, Blob value);
  Statement& bind(int parameter, std::nullptr_t);
  template <std::integral T>
  Statement& bind(int parameter, T value) {
    return bind(parameter, static_cast<std::int64_t>(value));
  }
  template <std::convertible_to<std::string_view> T>
  Statement& bind(int parameter, T const& value) {
    return bind(parameter, std::string_view{value});
  }
  template <class T>
  Statement& bind(int parameter, std::optional<T> const& value) {
    return value ? bind(parameter, *value) : bind(parameter, nullptr);
  }
  template <class... Values>
  Statement& bind_all(Values const&... values) {
    int parameter = 0;
    (bind(++parameter, values), ...);
    return *this;
  }

  // True while there is a row to read.
  [[nodiscard]] Result<bool> step();
  // Steps to the end, ignoring rows.
  [[nodiscard]] Status run();
  // Ready to be bound and run once more; the parameters are kept.
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  // Valid until the next step. A NULL gives "".
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::string_view blob(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  friend class Database;
  struct Slot;
  // Of what texts and blobs point at, beside the statement's own.
  enum class Life : std::uint8_t { copied, outlive };
  Statement(class Database& database, Slot* slot) : database_(&database), slot_(slot) {}
  void note(int code);
  class Database* database_;
  Slot* slot_;
  int bind_error_ = 0;
  Life life_ = Life::copied;
};

enum class OpenMode : std::uint8_t {
  writer,  // creates the file (mode 0600), takes `<path>.lock`, repairs nothing
  reader,  // an existing file, read-only
};

struct OpenOptions {
  Millis busy_timeout{5000};
  std::string vfs;  // SQLite's own default when empty; tests inject faults with it
  // Whether the file is in a folder of this machine, or nowhere but in `vfs`, as the simulator's:
  // then nothing is locked or created beside it.
  enum class Home : std::uint8_t { folder, vfs };
  Home home = Home::folder;
};

class Database {
 public:
  // A writer runs a quick integrity check when the last one did not close the file, which is told
  // by what it left: a write-ahead log that is not empty. A writer that closes removes it.
  [[nodiscard]] static Result<Database> open(std::string const& path, OpenMode mode,
                                             OpenOptions const& options = {});
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  // One statement, from the cache where it is there.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  // Prepared and bound, to be stepped.
  template <class... Values>
  [[nodiscard]] Result<Statement> query(std::string_view sql, Values const&... values) {
    auto statement = prepare(sql);
    if (statement) statement->bind_all(values...);
    return statement;
  }
  // Prepared, bound and run to its end.
  template <class... Values>
  [[nodiscard]] Status run(std::string_view sql, Values const&... values) {
    auto statement = prepare(sql);
    if (!statement) return std::unexpected(std::move(statement).error());
    statement->life_ = Statement::Life::outlive;  // the values, until this returns
    return statement->bind_all(values...).run();
  }
  // Several statements separated by ';', without parameters; not cached.
  [[nodiscard]] Status execute(std::string_view script);

  // Rows changed by the last INSERT, UPDATE or DELETE.
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_insert_id() const;
  [[nodiscard]] bool in_transaction() const;
  [[nodiscard]] std::string const& path() const;

  // Whether a sync of the file has failed. What the disk holds is then unknown until it is opened
  // anew: nothing further may be acknowledged.
  [[nodiscard]] bool sync_failed() const;
  // Frames in the write-ahead log that a checkpoint has still to move.
  [[nodiscard]] int wal_pages() const;
  // Moves what it can from the log into the file without waiting for readers. The log keeps its
  // size, because overwriting it is cheaper than growing it.
  [[nodiscard]] Status checkpoint();
  // Writes all that this connection sees, one snapshot, to a new file (mode 0600): its own open
  // transaction's, else that of this moment. Writers go on meanwhile. The copy is not synced.
  // conflict when the file exists.
  [[nodiscard]] Status copy_to(std::string const& path);

 private:
  friend class Statement;
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  [[nodiscard]] Error error(int code, std::string_view sql) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace drover::store
