#pragma once
// Tells when somebody writes to the journals of runs: one descriptor for all of them.
//
// On the event loop.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "base/error.h"
#include "workflow/run_folder.h"

namespace drover::driver {

class JournalWatch {
 public:
  // `on_entry`: the run with this name has an entry of this number; drover's own are told of too.
  using OnEntry = std::function<void(std::string const& run, std::uint64_t seq)>;
  [[nodiscard]] static Result<std::unique_ptr<JournalWatch>> create(
      boost::asio::any_io_executor const& executor, OnEntry on_entry);
  ~JournalWatch();
  JournalWatch(JournalWatch const&) = delete;
  JournalWatch& operator=(JournalWatch const&) = delete;

  // What is written from now on is told. A second time for the same run changes nothing.
  [[nodiscard]] Status add(std::string const& run, workflow::RunFolder const& folder);
  // The unknown is no error.
  void remove(std::string const& run);

 private:
  struct State;
  explicit JournalWatch(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with the wait that is under way
};

}  // namespace drover::driver
