#pragma once
// What may be spent on models, and what was: the limits of gateway.toml and those that the API
// stored, over a ledger that the store carries. Where both limit the same, the file's holds.
//
// On the event loop. What the API changes is on disk before it holds.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "gateway/ledger.h"
#include "os/blocking_pool.h"
#include "store/writer.h"
#include "worker/spend_store.h"

namespace drover::worker {

class SpendBook {
 public:
  SpendBook(store::Writer& writer, Clock const& clock) : writer_(writer), clock_(clock) {}

  // Once, at start, with what the file limits. What earlier calls had reserved is spent now.
  [[nodiscard]] Status load(std::vector<gateway::SpendLimit> of_file);
  // The file was read anew.
  Task<Status> set_file_limits(std::vector<gateway::SpendLimit> of_file);
  // In place of all that was stored before. conflict when `expected_revision` is not the present
  // one.
  Task<Status> put(std::vector<gateway::SpendLimit> limits,
                   std::optional<std::int64_t> expected_revision);

  [[nodiscard]] std::vector<gateway::SpendLimit> const& of_file() const { return of_file_; }
  [[nodiscard]] std::vector<gateway::SpendLimit> const& of_api() const { return of_api_; }
  [[nodiscard]] std::int64_t revision() const { return revision_; }
  [[nodiscard]] gateway::Ledger const& ledger() const { return ledger_; }

  // A call's way: reserve, opened() within the transaction that comes before it, settle, and
  // closed() within the transaction that records it.
  struct Opening {
    std::int64_t id = 0;  // 0: nothing of it is on disk
    SpendRow row;         // with the estimate as its amount
  };
  // `run_spent`: what the run has spent before. See Ledger::reserve().
  [[nodiscard]] Result<Opening> reserve(gateway::Spender spender, std::string model,
                                        gateway::Estimate const& estimate,
                                        gateway::Amount run_spent);
  void settle(Opening const& opening, SpendRow const& actual);
  [[nodiscard]] Status opened(store::Transaction& transaction, Opening const& opening);
  [[nodiscard]] Status closed(store::Transaction& transaction, Opening const& opening,
                              SpendRow const& actual);

 private:
  [[nodiscard]] std::vector<gateway::SpendLimit> effective(
      std::vector<gateway::SpendLimit> const& of_file,
      std::vector<gateway::SpendLimit> const& of_api) const;
  // Of calls that an earlier server had begun.
  enum class Unclosed : std::uint8_t { close, keep };
  [[nodiscard]] Result<std::vector<SpendRow>> read(Unclosed unclosed);
  void apply(std::vector<SpendRow> const& stored);

  store::Writer& writer_;
  Clock const& clock_;
  gateway::Ledger ledger_;
  std::vector<gateway::SpendLimit> of_file_;
  std::vector<gateway::SpendLimit> of_api_;
  std::int64_t revision_ = 0;
  std::int64_t next_id_ = 1;
  std::vector<SpendRow> left_open_;  // by an earlier server, and still open in the store
  // Settled, and not yet durable: by number, for reading the store does not show them.
  std::map<std::int64_t, SpendRow> unstored_;
};

}  // namespace drover::worker
