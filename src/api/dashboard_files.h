#pragma once
// The dashboard as web/ was built: each file as it is and compressed, taken into the program by the
// assembler. The table is written by web/build/build.mjs.
#include <span>
#include <string_view>

namespace drover::api {

struct DashboardFile {
  std::string_view name;  // "index.html", or below /assets/
  std::string_view type;
  std::string_view plain;
  std::string_view gzip;
};

[[nodiscard]] std::span<DashboardFile const> dashboard_files();

}  // namespace drover::api
