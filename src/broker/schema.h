#pragma once
// The tables of this folder.
#include <span>

#include "store/migrations.h"

namespace drover::broker {

[[nodiscard]] std::span<store::Migration const> migrations();

}  // namespace drover::broker
