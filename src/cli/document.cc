#include "cli/document.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/object.hpp>

#include "base/config_text.h"
#include "base/text.h"
#include "os/files.h"

namespace drover::cli {

Result<json::object> read_document(std::string const& file) {
  bool const is_stdin = file == "-";
  auto const text = is_stdin ? os::read_all(STDIN_FILENO, "stdin", kDocumentBytesMax)
                             : os::read_file(file, kDocumentBytesMax);
  if (!text) return std::unexpected(text.error());
  std::string const name = is_stdin ? "stdin" : printable(file);
  auto value = is_stdin ? parse_json(*text) : parse_config(file, *text);
  if (!value) {
    Error error = value.error();
    error.message = fmt::format("{}: {}", name, error.message);
    return std::unexpected(std::move(error));
  }
  if (!value->is_object())
    return fail(ErrorCode::invalid_argument, "{} does not hold an object", name);
  return std::move(value->get_object());
}

}  // namespace drover::cli
