// Answers of a container engine: no crash, the same lines for every cut, and what is taken out of
// frames is never more than what came. The first byte says whose answer it is and how it is cut.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/engine_replies.h"
#include "runtime/output_frames.h"

namespace runtime = drover::runtime;

namespace {

struct Outcome {
  std::vector<std::string> lines;
  bool refused = false;
  friend bool operator==(Outcome const&, Outcome const&) = default;
};

Outcome frames(std::string_view text, std::size_t step) {
  runtime::OutputFrames splitter;
  Outcome outcome;
  for (std::size_t at = 0; at < text.size(); at += step) {
    auto some = splitter.feed(text.substr(at, step));
    // What came before what is refused depends on the cut.
    if (!some) return {{}, true};
    for (auto& one : *some) {
      (void)runtime::parse_output_line(one);
      outcome.lines.push_back(std::move(one));
    }
  }
  return outcome;
}

Outcome split(std::string_view text, std::size_t step) {
  runtime::LineSplitter splitter;
  Outcome outcome;
  for (std::size_t at = 0; at < text.size(); at += step) {
    auto lines = splitter.feed(text.substr(at, step));
    if (!lines) {
      outcome.refused = true;
      return outcome;
    }
    for (auto& line : *lines)
      outcome.lines.push_back(std::move(line));
  }
  return outcome;
}

void parse(int which, std::string_view text) {
  switch (which) {
    case 0:
      (void)runtime::choose_api_version(text);
      return;
    case 1:
      (void)runtime::parse_engine_facts(text);
      return;
    case 2:
      (void)runtime::parse_image(text);
      return;
    case 3:
      (void)runtime::parse_containers(text);
      return;
    case 4:
      (void)runtime::parse_inspection(text);
      return;
    case 5:
      (void)runtime::parse_engine_event(text);
      return;
    case 6:
      (void)runtime::parse_pull_progress(text);
      return;
    case 7:
      (void)runtime::engine_refusal("try", 500, text);
      (void)runtime::parse_volume(text);
      (void)runtime::parse_usage(text);
      return;
    default:
      if (runtime::is_image_name(text)) (void)runtime::split_image_name(text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view const text{reinterpret_cast<char const*>(data) + 1, size - 1};
  parse(data[0] % 10, text);
  auto const output = runtime::parse_output(text);
  if (output && output->size() > text.size()) std::abort();
  if (frames(text, text.size() + 1) != frames(text, std::size_t{1} + data[0] % 7)) std::abort();
  if (split(text, text.size() + 1) != split(text, std::size_t{1} + data[0] % 7)) std::abort();
  return 0;
}
