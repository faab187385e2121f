#pragma once
// Inside this folder only: the files of contracts/task-types, embedded in the program.
#include <span>
#include <string_view>

namespace drover::contract {

[[nodiscard]] std::span<std::string_view const> built_in_task_type_texts();

}  // namespace drover::contract
