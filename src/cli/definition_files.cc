#include "cli/definition_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <boost/json.hpp>

#include "base/config_text.h"
#include "base/text.h"
#include "cli/document.h"
#include "os/files.h"

namespace drover::cli {

namespace {

Error at_place(Error error, std::string_view place) {
  error.message = fmt::format("{}: {}", place, error.message);
  return error;
}

void read_one(Definition kind, std::string place, json::value const& value, ReadDefinitions& into) {
  auto spec = checked_definition(kind, value);
  if (!spec) {
    into.mistakes.push_back(at_place(spec.error(), place));
    return;
  }
  WantedDefinition wanted;
  wanted.name = string_or(*spec, "name", "");
  wanted.place = std::move(place);
  wanted.spec = *std::move(spec);
  into.wanted.push_back(std::move(wanted));
}

// The list of a document that holds many; nullptr of one that is a definition itself.
json::array const* list_of(Definition kind, json::value const& value) {
  if (auto const* const list = value.if_array()) return list;
  auto const* const object = value.if_object();
  if (object == nullptr || object->size() != 1) return nullptr;
  auto const* const member = object->if_contains(words_of(kind).table);
  return member == nullptr ? nullptr : member->if_array();
}

void read_document_value(Definition kind, std::string const& place, json::value const& value,
                         ReadDefinitions& into) {
  auto const* const list = list_of(kind, value);
  if (list == nullptr) return read_one(kind, place, value, into);
  std::size_t number = 0;
  for (json::value const& item : *list)
    read_one(kind, fmt::format("{}, {} {}", place, words_of(kind).noun, ++number), item, into);
}

bool is_definition_name(std::string_view name) {
  return is_config_name(name);
}

Result<std::vector<std::string>> files_of(std::string const& folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  std::error_code error;
  for (fs::directory_iterator at{folder, error}; !error && at != fs::directory_iterator{};
       at.increment(error)) {
    std::string path = at->path();
    if (is_definition_name(path)) paths.push_back(std::move(path));
  }
  if (error) return std::unexpected(system_error(error.value(), "read the folder", folder));
  std::ranges::sort(paths);
  return paths;
}

void read_file(Definition kind, std::string const& path, ReadDefinitions& into) {
  auto const text = os::read_file(path, kDocumentBytesMax);
  if (!text) {
    into.mistakes.push_back(text.error());
    return;
  }
  read_definitions(kind, path, *text, into);
}

void read_stdin(Definition kind, ReadDefinitions& into) {
  auto const text = os::read_all(STDIN_FILENO, "stdin", kDocumentBytesMax);
  if (!text) {
    into.mistakes.push_back(text.error());
    return;
  }
  auto const value = parse_json(*text);
  if (!value) {
    into.mistakes.push_back(at_place(value.error(), "stdin"));
    return;
  }
  read_document_value(kind, "stdin", *value, into);
}

void read_path(Definition kind, std::string const& path, ReadDefinitions& into) {
  if (path == "-") return read_stdin(kind, into);
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return read_file(kind, path, into);
  auto const files = files_of(path);
  if (!files) {
    into.mistakes.push_back(files.error());
    return;
  }
  for (std::string const& file : *files)
    read_file(kind, file, into);
}

}  // namespace

void read_definitions(Definition kind, std::string_view name, std::string_view text,
                      ReadDefinitions& into) {
  std::string const place = printable(name, 300);
  auto const value = parse_config(name, text);
  if (!value) {
    into.mistakes.push_back(at_place(value.error(), place));
    return;
  }
  read_document_value(kind, place, *value, into);
}

ReadDefinitions read_definition_paths(Definition kind, std::vector<std::string> const& paths) {
  ReadDefinitions read;
  for (std::string const& path : paths) {
    std::size_t const before = read.wanted.size() + read.mistakes.size();
    read_path(kind, path, read);
    // With --prune an empty folder would be the end of all of them.
    if (read.wanted.size() + read.mistakes.size() == before)
      read.mistakes.push_back(
          {ErrorCode::invalid_argument,
           fmt::format("{} holds no {}", printable(path, 300), words_of(kind).noun),
           fmt::format("see {}", words_of(kind).document)});
  }
  if (read.wanted.size() > kDefinitionsReadMax)
    read.mistakes.push_back(
        {ErrorCode::too_large,
         fmt::format("{} {}s were read, and a server keeps {}", read.wanted.size(),
                     words_of(kind).noun, kDefinitionsReadMax),
         {}});
  return read;
}

}  // namespace drover::cli
