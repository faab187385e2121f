#pragma once
// Who runs the code of a process, as the engine sees it: messages of JSON, one each way at a time,
// the first of them {start}. Its turns and the replies to them are in sdk/js/lib/host.cjs, which is
// the host for JavaScript; native_host.h is the one for C++ and for documents.
#include "base/error.h"
#include "base/json.h"

namespace drover::workflow {

class Host {
 public:
  Host() = default;
  Host(Host const&) = delete;
  Host& operator=(Host const&) = delete;
  Host(Host&&) = default;
  Host& operator=(Host&&) = default;
  virtual ~Host() = default;

  [[nodiscard]] virtual Status write(json::value const& message) = 0;
  [[nodiscard]] virtual Result<json::value> read() = 0;
};

}  // namespace drover::workflow
