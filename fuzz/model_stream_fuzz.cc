// Any bytes as a provider's stream, in two cuts: the same answer or the same kind of failure.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/model_stream.h"

namespace {

struct Outcome {
  bool fed = true;
  bool complete = false;
  std::size_t items = 0;
  friend bool operator==(Outcome const&, Outcome const&) = default;
};

Outcome read(std::string_view first, std::string_view second) {
  drover::model::ModelStream stream;
  std::vector<drover::model::StreamItem> items;
  Outcome out;
  out.fed = stream.feed(first, items).has_value() && stream.feed(second, items).has_value();
  out.complete = out.fed && stream.finish().has_value();
  out.items = items.size();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  std::size_t const cut = size == 0 ? 0 : data[size - 1] % size;
  if (read(text, {}) != read(text.substr(0, cut), text.substr(cut))) std::abort();
  return 0;
}
