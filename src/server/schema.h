#pragma once
// The tables of every part of the server.
#include <vector>

#include "store/migrations.h"

namespace drover::server {

[[nodiscard]] std::vector<store::Migration> all_migrations();

}  // namespace drover::server
