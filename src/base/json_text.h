#pragma once
// JSON written straight into a string, for texts that are made often and never read back here.
#include <cstdint>
#include <string>
#include <string_view>

namespace drover {

// `text` as a JSON string with its quotes; ill-formed UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// One object, member by member: `JsonWriter w; w.string("a", "b"); std::move(w).str()`.
// The caller keeps keys apart; keys are written as they are and must need no escape.
// Not thread-safe.
class JsonWriter {
 public:
  void string(std::string_view key, std::string_view value);
  void integer(std::string_view key, std::int64_t value);
  // Shortest text that reads back the same; infinities and NaN, which JSON lacks, are written as 0.
  void number(std::string_view key, double value);
  void boolean(std::string_view key, bool value);  // NOLINT: the value is the point
  // `json` is a whole JSON text.
  void raw(std::string_view key, std::string_view json);
  // The object; the writer is spent afterwards.
  [[nodiscard]] std::string str() &&;

 private:
  void key(std::string_view name);
  std::string text_ = "{";
};

}  // namespace drover
