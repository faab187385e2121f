#include "workflow/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "os/files.h"
#include "os/new_file.h"
#include "workflow/js_text.h"

namespace drover::workflow {

namespace {

constexpr std::size_t kNameMax = 200;
constexpr std::size_t kFileMax = std::size_t{256} << 20U;

// Created, and durable in the folder above it.
Status make_durable_folder(std::string const& path) {
  if (os::exists(path)) return {};
  auto const parent = std::filesystem::path{path}.parent_path().string();
  DROVER_TRY(make_durable_folder(parent));
  DROVER_TRY(os::make_folders(path));
  return os::sync_folder(parent);
}

}  // namespace

bool is_plain_name(std::string_view text) {
  auto const plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= kNameMax && text.front() != '.' &&
         std::ranges::all_of(text, plain);
}

std::string RunFolder::name() const {
  return std::filesystem::path{path_}.filename().string();
}

std::string RunFolder::at(std::string_view relative) const {
  return fmt::format("{}/{}", path_, relative);
}

std::string RunFolder::task(std::string_view effect_id) const {
  return at(fmt::format("tasks/{}", effect_id));
}

Result<std::string> RunFolder::referenced(std::string_view reference) const {
  auto const relative = std::filesystem::path{reference}.lexically_normal();
  bool const inside = !reference.empty() && relative.is_relative() && *relative.begin() != "..";
  if (!inside)
    return fail(ErrorCode::data_corrupt, "{} is outside of the run directory {}",
                printable(reference), printable(path_));
  return at(relative.string());
}

Result<std::optional<json::value>> RunFolder::read_json(std::string const& path) const {
  auto const text = os::read_file(path, kFileMax);
  if (!text && text.error().code == ErrorCode::not_found) return std::nullopt;
  if (!text) return std::unexpected(text.error());
  JsonBounds bounds;
  bounds.bytes_max = kFileMax;
  auto value = parse_json(*text, bounds);
  if (!value)
    return fail(ErrorCode::data_corrupt, "{} is no JSON: {}", printable(path),
                value.error().message);
  return *std::move(value);
}

Status RunFolder::write_json(std::string_view relative, json::value const& value) const {
  return write_text(relative, file_text(value));
}

Status RunFolder::write_text(std::string_view relative, std::string_view text) const {
  std::string const path = at(relative);
  DROVER_TRY(make_durable_folder(std::filesystem::path{path}.parent_path().string()));
  return os::write_file_atomic(path, text);
}

}  // namespace drover::workflow
