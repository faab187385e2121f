#include "workflow/process_hosts.h"

#include "workflow/create_run.h"
#include "workflow/document.h"
#include "workflow/document_process.h"
#include "workflow/native_host.h"

namespace drover::workflow {

namespace {

Result<std::unique_ptr<Host>> start_native(Entrypoint const& entry, HostSpec const& spec) {
  static NativeProcesses const none;
  auto process = (spec.native == nullptr ? none : *spec.native)
                     .find(std::string_view{entry.import_path}.substr(kNativePrefix.size()));
  if (!process) return std::unexpected(process.error());
  return std::make_unique<NativeHost>(*std::move(process));
}

Result<std::unique_ptr<Host>> start_document(std::string const& file) {
  auto document = read_document(file);
  if (!document) return std::unexpected(document.error());
  return std::make_unique<NativeHost>(
      document_process(std::make_shared<Document const>(*std::move(document)), file));
}

}  // namespace

bool runs_in_node(Entrypoint const& entry) {
  return !entry.is_native() && !is_document(entry.import_path);
}

Result<std::unique_ptr<Host>> start_host(OpenRun const& run, HostSpec const& spec) {
  Entrypoint const& entry = run.record().entrypoint;
  if (entry.is_native()) return start_native(entry, spec);
  if (!runs_in_node(entry)) return start_document(entry_file(run.folder(), entry));
  HostPlace place;
  place.entry = entry_file(run.folder(), entry);
  place.run_folder = run.folder().path();
  place.working_folder = string_or(run.record().raw, "cwd", "");
  auto host = HostProcess::start(spec, std::move(place));
  if (!host) return std::unexpected(host.error());
  return std::make_unique<HostProcess>(*std::move(host));
}

}  // namespace drover::workflow
