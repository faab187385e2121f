#pragma once
// Clients that dispatch without a pause while the server is killed under them: each asks with an
// idempotency key until it is answered, follows the run's events to its end over as many
// connections as that takes, and asks again. Every client is a thread; all end with the object.
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "chaos_account.h"

namespace drover::bench {

struct Traffic {
  std::string state_folder;
  std::vector<std::string> workspaces;  // ids
  std::vector<std::string> models;
  int clients = 12;
  std::uint64_t seed = 1;
};

struct Book {
  Account account;
  // Answers that were neither taken nor to be asked again, and waits that took too long.
  std::vector<std::string> refusals;
};

class ChaosClients {
 public:
  // `book` outlives the clients.
  ChaosClients(Traffic traffic, Guarded<Book>& book);
  ~ChaosClients();
  ChaosClients(ChaosClients const&) = delete;
  ChaosClients& operator=(ChaosClients const&) = delete;

  // No new requests; waits until every client has seen the end of its run, or has given up.
  void finish();

 private:
  std::atomic<bool> closing_{false};
  std::vector<std::jthread> threads_;
};

}  // namespace drover::bench
