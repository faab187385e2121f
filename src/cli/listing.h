#pragma once
// What the listing commands share: paging through the API, cells from JSON, the end of a listing.
// Cells are safe for a terminal; an absent or null member is "-".
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "cli/command_line.h"
#include "cli/context.h"
#include "cli/layout.h"

namespace drover::cli {

// GET `path`, and the pages behind it while `next` names one, until `count_max` objects of the
// member `key` were handed over.
[[nodiscard]] Status list_pages(ApiClient& client, std::string const& path, std::string_view key,
                                std::int64_t count_max,
                                std::function<void(json::object const&)> const& on_item);

// None, and 0, where the member is absent or something else.
[[nodiscard]] json::array const& array_at(json::object const& object, std::string_view key);
[[nodiscard]] double number_at(json::object const& object, std::string_view key);

[[nodiscard]] std::string cell_text(json::object const& object, std::string_view key);
[[nodiscard]] std::string cell_time(json::object const& object, std::string_view key, WallTime now);
// "app, docs" of [{"id":"app"},{"id":"docs"}] or of ["app","docs"].
[[nodiscard]] std::string cell_names(json::object const& object, std::string_view key);

[[nodiscard]] std::string json_object_line(json::object const& object, Style const& style);

// Prints the table, or `when_empty` on stderr.
[[nodiscard]] int finish_listing(Context const& context, Format format, Table const& table,
                                 std::string_view when_empty);

}  // namespace drover::cli
