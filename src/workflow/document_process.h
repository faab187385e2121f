#pragma once
// A document (document.h) as a process, run in this program by native_host.h.
#include <memory>
#include <string>

#include "workflow/document.h"
#include "workflow/process.h"

namespace drover::workflow {

// `file` is only for messages, and for what a contradiction names.
[[nodiscard]] Process document_process(std::shared_ptr<Document const> document, std::string file);

}  // namespace drover::workflow
