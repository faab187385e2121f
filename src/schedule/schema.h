#pragma once
// The tables of this folder.
#include <span>

#include "store/migrations.h"

namespace drover::schedule {

[[nodiscard]] std::span<store::Migration const> migrations();

}  // namespace drover::schedule
