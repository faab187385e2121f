#include "store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "os/files.h"
#include "store/log_rewrite.h"

namespace drover::store {

namespace {

// Beyond this many different statements, further ones are prepared anew at each use.
constexpr std::size_t kCachedStatementsMax = 256;
// "drvr": tells a drover file from any other SQLite file.
constexpr int kApplicationId = 0x64727672;
constexpr std::size_t kSqlInErrorsMax = 100;

// SQLite counts the memory that it takes under a lock that all its threads share, and nobody reads
// the count. Where SQLite runs already, as with a file system of a test's own, it goes on counting.
void count_no_memory() {
  static std::once_flag once;
  std::call_once(once, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
}

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

ErrorCode code_of(int extended, int system_errno) {
  switch (extended & 0xff) {
    case SQLITE_FULL:
      return ErrorCode::no_space;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return ErrorCode::data_corrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CONSTRAINT:
      return ErrorCode::conflict;
    case SQLITE_TOOBIG:
      return ErrorCode::too_large;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return ErrorCode::forbidden;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return system_errno == 0 ? ErrorCode::internal : system_error(system_errno, "", "").code;
    default:
      return ErrorCode::internal;
  }
}

std::string next_step(int extended, ErrorCode code) {
  switch (code) {
    case ErrorCode::no_space:
      return "free space on that disk; nothing that was acknowledged is lost";
    case ErrorCode::data_corrupt:
      return "stop drover, copy the file with its -wal aside, and restore a backup or run "
             "\"sqlite3 FILE .recover\"";
    case ErrorCode::conflict:
      return (extended & 0xff) == SQLITE_CONSTRAINT ? "" : "another program holds the file; retry";
    default:
      return "";
  }
}

bool is_sync_error(int extended) {
  return extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC;
}

// SQLite would create the file with the umask's mode, and prompts are in it.
Status create_private(std::string const& path) {
  if (os::exists(path)) return {};
  os::Fd const fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd.valid()) return fail_errno("create", path);
  auto const parent = std::filesystem::path{path}.parent_path().string();
  auto const folder = os::open_folder(parent.empty() ? "." : parent);
  if (!folder) return std::unexpected(folder.error());
  // Without this the name itself could be lost with the power.
  if (::fsync(folder->get()) != 0) return fail_errno("sync the folder of", path);
  return {};
}

bool left_unclean(std::string const& path, OpenOptions const& options) {
  std::string const log = path + "-wal";
  if (options.home == OpenOptions::Home::vfs) {
    sqlite3_vfs* const vfs = sqlite3_vfs_find(options.vfs.c_str());
    int there = 0;
    return vfs != nullptr &&
           vfs->xAccess(vfs, log.c_str(), SQLITE_ACCESS_EXISTS, &there) == SQLITE_OK && there != 0;
  }
  struct stat info{};
  return ::stat(log.c_str(), &info) == 0 && info.st_size > 0;
}

}  // namespace

struct Statement::Slot {
  sqlite3_stmt* statement = nullptr;
  bool busy = false;
  bool cached = false;
};

struct Database::Impl {
  std::string path;
  std::optional<os::FileLock> lock;
  sqlite3* handle = nullptr;
  std::unordered_map<std::string, std::unique_ptr<Statement::Slot>, TextHash, std::equal_to<>>
      cache;
  bool sync_failed = false;
  int wal_pages = 0;

  ~Impl() {
    for (auto& [sql, slot] : cache)
      sqlite3_finalize(slot->statement);
    if (handle == nullptr) return;
    if (int const code = sqlite3_close(handle); code != SQLITE_OK)
      log::error("store-close-failed", {{"path", path}, {"code", code}});
  }
};

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::Database(Database&& other) noexcept = default;
Database& Database::operator=(Database&& other) noexcept = default;
Database::~Database() = default;

Error Database::error(int code, std::string_view sql) const {
  int const extended = impl_->handle == nullptr ? code : sqlite3_extended_errcode(impl_->handle);
  int const system_errno = impl_->handle == nullptr ? 0 : sqlite3_system_errno(impl_->handle);
  if (is_sync_error(extended) || is_sync_error(code)) impl_->sync_failed = true;
  char const* detail =
      impl_->handle == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(impl_->handle);
  ErrorCode const kind = code_of(extended, system_errno);
  std::string message = fmt::format("the store {} could not {}: {}", impl_->path,
                                    printable(sql, kSqlInErrorsMax), detail);
  if ((extended & 0xff) == SQLITE_IOERR && system_errno != 0)
    message += fmt::format(" ({})", std::system_category().message(system_errno));
  return Error{kind, std::move(message), next_step(extended, kind)};
}

namespace {

std::string pragmas(OpenMode mode) {
  // secure_delete: Debian builds it on, which doubles the writes of a delete.
  // wal_autocheckpoint: checkpoints are the Writer's, at a moment when nobody waits.
  if (mode == OpenMode::writer)
    return "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=OFF;"
           "PRAGMA cache_size=-65536; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;"
           "PRAGMA wal_autocheckpoint=0;";
  return "PRAGMA cache_size=-2048; PRAGMA query_only=ON; PRAGMA temp_store=MEMORY;";
}

Result<std::int64_t> one_integer(Database& database, std::string_view sql) {
  auto statement = database.query(sql);
  if (!statement) return std::unexpected(statement.error());
  auto const row = statement->step();
  if (!row) return std::unexpected(row.error());
  return *row ? statement->integer(0) : 0;
}

// A file of another program is refused before anything is written to it.
Status claim_identity(Database& database) {
  auto const id = one_integer(database, "PRAGMA application_id");
  if (!id) return std::unexpected(id.error());
  if (*id == kApplicationId) return {};
  auto const tables = one_integer(database, "SELECT count(*) FROM sqlite_master");
  if (!tables) return std::unexpected(tables.error());
  if (*id != 0 || *tables != 0)
    return fail_next(ErrorCode::invalid_argument,
                     fmt::format("{} is a SQLite file of another program", database.path()),
                     "give drover a state folder of its own");
  return database.execute(fmt::format("PRAGMA application_id={}", kApplicationId));
}

Status check_integrity(Database& database) {
  log::info("store-check", {{"path", database.path()}, {"why", "not closed by its last writer"}});
  auto statement = database.query("PRAGMA quick_check(1)");
  if (!statement) return std::unexpected(statement.error());
  auto const row = statement->step();
  if (!row) return std::unexpected(row.error());
  if (*row && statement->text(0) == "ok") return {};
  return fail_next(ErrorCode::data_corrupt,
                   fmt::format("the store {} does not hold together: {}", database.path(),
                               printable(statement->text(0))),
                   next_step(SQLITE_CORRUPT, ErrorCode::data_corrupt));
}

}  // namespace

Result<Database> Database::open(std::string const& path, OpenMode mode,
                                OpenOptions const& options) {
  count_no_memory();
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  bool unclean = false;
  if (mode == OpenMode::writer) {
    if (options.home == OpenOptions::Home::folder) {
      auto lock = os::FileLock::acquire(path + ".lock");
      if (!lock) return std::unexpected(lock.error());
      impl->lock.emplace(std::move(*lock));
      DROVER_TRY(create_private(path));
    }
    unclean = left_unclean(path, options);
    if (unclean) DROVER_TRY(rewrite_log(path + "-wal", options.vfs));
  }
  int const flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (mode == OpenMode::writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
  int const code = sqlite3_open_v2(path.c_str(), &impl->handle, flags,
                                   options.vfs.empty() ? nullptr : options.vfs.c_str());
  Database database{std::move(impl)};
  sqlite3* const handle = database.impl_->handle;
  if (code != SQLITE_OK) return std::unexpected(database.error(code, "open"));
  sqlite3_busy_timeout(handle, static_cast<int>(options.busy_timeout.count()));
  if (mode == OpenMode::writer) DROVER_TRY(claim_identity(database));
  DROVER_TRY(database.execute(pragmas(mode)));
  if (unclean) {
    auto const whole = check_integrity(database);
    // Closing would move the log into the file and remove it, so that the next start would find
    // nothing to check.
    if (!whole) sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    if (!whole) return std::unexpected(whole.error());
  }
  sqlite3_wal_hook(
      handle,
      [](void* impl_pointer, sqlite3*, char const*, int pages) {
        static_cast<Impl*>(impl_pointer)->wal_pages = pages;
        return SQLITE_OK;
      },
      database.impl_.get());
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  auto found = impl_->cache.find(sql);
  if (found != impl_->cache.end() && !found->second->busy) {
    found->second->busy = true;
    return Statement{*this, found->second.get()};
  }
  auto slot = std::make_unique<Statement::Slot>();
  int const code = sqlite3_prepare_v3(impl_->handle, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &slot->statement, nullptr);
  if (code != SQLITE_OK) return std::unexpected(error(code, sql));
  DROVER_CHECK(slot->statement != nullptr);  // an empty statement is a defect of the caller
  slot->busy = true;
  if (found != impl_->cache.end() || impl_->cache.size() >= kCachedStatementsMax)
    return Statement{*this, slot.release()};
  slot->cached = true;
  auto* const borrowed = slot.get();
  impl_->cache.emplace(std::string{sql}, std::move(slot));
  return Statement{*this, borrowed};
}

Status Database::execute(std::string_view script) {
  std::string const text{script};
  int const code = sqlite3_exec(impl_->handle, text.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(error(code, script));
  return {};
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(impl_->handle);
}
std::int64_t Database::last_insert_id() const {
  return sqlite3_last_insert_rowid(impl_->handle);
}
bool Database::in_transaction() const {
  return sqlite3_get_autocommit(impl_->handle) == 0;
}
std::string const& Database::path() const {
  return impl_->path;
}
bool Database::sync_failed() const {
  return impl_->sync_failed;
}
int Database::wal_pages() const {
  return impl_->wal_pages;
}

Status Database::checkpoint() {
  int in_log = 0;
  int moved = 0;
  int const code =
      sqlite3_wal_checkpoint_v2(impl_->handle, nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
  // Busy: a reader holds back the rest, which the next checkpoint moves.
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
    return std::unexpected(error(code, "move its write-ahead log into the file"));
  impl_->wal_pages = in_log - moved;
  return {};
}

Status Database::copy_to(std::string const& path) {
  {
    os::Fd const fresh{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (!fresh.valid()) return fail_errno("create", path);
  }
  auto copy = Impl{};
  copy.path = path;
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  auto const failed = [&](int code) {
    return fail(code_of(code, errno), "the store {} could not be copied to {}: {}", impl_->path,
                path, sqlite3_errstr(code));
  };
  int code = sqlite3_open_v2(path.c_str(), &copy.handle, kFlags, nullptr);
  if (code != SQLITE_OK) return failed(code);
  // Nobody reads the copy before it is whole, so that a rollback journal would only cost time.
  code = sqlite3_exec(copy.handle, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", nullptr,
                      nullptr, nullptr);
  if (code != SQLITE_OK) return failed(code);
  sqlite3_backup* const backup = sqlite3_backup_init(copy.handle, "main", impl_->handle, "main");
  if (backup == nullptr) return failed(sqlite3_extended_errcode(copy.handle));
  // All pages in one step: with several, a write in between would begin the copy anew.
  code = sqlite3_backup_step(backup, -1);
  int const finished = sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) return failed(code);
  if (finished != SQLITE_OK) return failed(finished);
  return {};
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      slot_(std::exchange(other.slot_, nullptr)),
      bind_error_(other.bind_error_),
      life_(other.life_) {}

Statement::~Statement() {
  if (slot_ == nullptr) return;
  if (!slot_->cached) {
    sqlite3_finalize(slot_->statement);
    delete slot_;
    return;
  }
  sqlite3_reset(slot_->statement);
  sqlite3_clear_bindings(slot_->statement);
  slot_->busy = false;
}

void Statement::note(int code) {
  if (code != SQLITE_OK && bind_error_ == SQLITE_OK) bind_error_ = code;
}

Statement& Statement::bind(int parameter, std::int64_t value) {
  note(sqlite3_bind_int64(slot_->statement, parameter, value));
  return *this;
}

Statement& Statement::bind(int parameter, double value) {
  note(sqlite3_bind_double(slot_->statement, parameter, value));
  return *this;
}

Statement& Statement::bind(int parameter, std::string_view value) {
  // A null pointer would bind NULL, and an empty view may have one.
  note(sqlite3_bind_text64(slot_->statement, parameter, value.empty() ? "" : value.data(),
                           value.size(), life_ == Life::copied ? SQLITE_TRANSIENT : SQLITE_STATIC,
                           SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(int parameter, Blob value) {
  note(sqlite3_bind_blob64(slot_->statement, parameter,
                           value.bytes.empty() ? "" : value.bytes.data(), value.bytes.size(),
                           life_ == Life::copied ? SQLITE_TRANSIENT : SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind(int parameter, std::nullptr_t) {
  note(sqlite3_bind_null(slot_->statement, parameter));
  return *this;
}

Result<bool> Statement::step() {
  if (bind_error_ != SQLITE_OK)
    return std::unexpected(database_->error(bind_error_, sqlite3_sql(slot_->statement)));
  int const code = sqlite3_step(slot_->statement);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  auto failed = std::unexpected(database_->error(code, sqlite3_sql(slot_->statement)));
  // A statement that is left in the middle would keep its transaction from being undone.
  sqlite3_reset(slot_->statement);
  return failed;
}

Status Statement::run() {
  for (;;) {
    auto const row = step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
  }
}

void Statement::reset() {
  sqlite3_reset(slot_->statement);
  bind_error_ = SQLITE_OK;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(slot_->statement, column);
}
double Statement::real(int column) const {
  return sqlite3_column_double(slot_->statement, column);
}

std::string_view Statement::text(int column) const {
  auto const* data = reinterpret_cast<char const*>(sqlite3_column_text(slot_->statement, column));
  if (data == nullptr) return "";
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(slot_->statement, column))};
}

std::string_view Statement::blob(int column) const {
  auto const* data = static_cast<char const*>(sqlite3_column_blob(slot_->statement, column));
  if (data == nullptr) return "";
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(slot_->statement, column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(slot_->statement, column) == SQLITE_NULL;
}

}  // namespace drover::store
