#pragma once
// `drover model serve` on a free port, in the place of a provider.
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "harness/world.h"

namespace drover::harness {

class ModelServer {
 public:
  // `model` is World::model()'s: "scripted:<file>".
  ModelServer(World const& world, std::string const& model)
      : program_(world.start_drover(
            {"model", "serve", model.substr(std::string_view{"scripted:"}.size())})) {
    if (!program_->prints("\n")) throw std::runtime_error("the model is not served");
    url_ = program_->printed();
    url_.resize(url_.find('\n'));
  }
  [[nodiscard]] std::string const& url() const { return url_; }

 private:
  std::unique_ptr<Program> program_;
  std::string url_;
};

}  // namespace drover::harness
