#pragma once
// The commands, one file each in cli/commands/. Each prints its data and reports its own errors,
// and returns the process's exit code (cli/exit_codes.h). Blocking.
#include "cli/command_line.h"
#include "cli/context.h"

namespace drover::cli {

[[nodiscard]] int execute(Context const& context, HelpCommand const& command);
[[nodiscard]] int execute(Context const& context, VersionCommand const& command);
[[nodiscard]] int execute(Context const& context, UpCommand const& command);
[[nodiscard]] int execute(Context const& context, DashboardCommand const& command);
[[nodiscard]] int execute(Context const& context, ServeCommand const& command);
[[nodiscard]] int execute(Context const& context, WorkerCommand const& command);
[[nodiscard]] int execute(Context const& context, DownCommand const& command);
[[nodiscard]] int execute(Context const& context, RunCommand const& command);
[[nodiscard]] int execute(Context const& context, SendCommand const& command);
[[nodiscard]] int execute(Context const& context, PsCommand const& command);
[[nodiscard]] int execute(Context const& context, AttachCommand const& command);
[[nodiscard]] int execute(Context const& context, LogsCommand const& command);
[[nodiscard]] int execute(Context const& context, EventsCommand const& command);
[[nodiscard]] int execute(Context const& context, DiffCommand const& command);
[[nodiscard]] int execute(Context const& context, CancelCommand const& command);
[[nodiscard]] int execute(Context const& context, SessionsCommand const& command);
[[nodiscard]] int execute(Context const& context, SessionRemoveCommand const& command);
[[nodiscard]] int execute(Context const& context, SessionEnvironmentCommand const& command);
[[nodiscard]] int execute(Context const& context, WorkspacesCommand const& command);
[[nodiscard]] int execute(Context const& context, WorkspaceAddCommand const& command);
[[nodiscard]] int execute(Context const& context, WorkspaceRemoveCommand const& command);
[[nodiscard]] int execute(Context const& context, DefinitionsCommand const& command);
[[nodiscard]] int execute(Context const& context, DefinitionShowCommand const& command);
[[nodiscard]] int execute(Context const& context, DefinitionApplyCommand const& command);
[[nodiscard]] int execute(Context const& context, AgentCreateCommand const& command);
[[nodiscard]] int execute(Context const& context, DefinitionEditCommand const& command);
[[nodiscard]] int execute(Context const& context, AgentEnableCommand const& command);
[[nodiscard]] int execute(Context const& context, DefinitionRemoveCommand const& command);
[[nodiscard]] int execute(Context const& context, FleetStatusCommand const& command);
[[nodiscard]] int execute(Context const& context, FleetUsageCommand const& command);
[[nodiscard]] int execute(Context const& context, FleetSyncCommand const& command);
[[nodiscard]] int execute(Context const& context, FleetWipeCommand const& command);
[[nodiscard]] int execute(Context const& context, FleetLogsCommand const& command);
[[nodiscard]] int execute(Context const& context, FleetExecCommand const& command);
[[nodiscard]] int execute(Context const& context, ApprovalRulesCommand const& command);
[[nodiscard]] int execute(Context const& context, ApprovalRuleAddCommand const& command);
[[nodiscard]] int execute(Context const& context, ApprovalRuleRemoveCommand const& command);
[[nodiscard]] int execute(Context const& context, AuditCommand const& command);
[[nodiscard]] int execute(Context const& context, AuditShowCommand const& command);
[[nodiscard]] int execute(Context const& context, ApprovalsCommand const& command);
[[nodiscard]] int execute(Context const& context, ApprovalShowCommand const& command);
[[nodiscard]] int execute(Context const& context, ApprovalsDecideCommand const& command);
[[nodiscard]] int execute(Context const& context, QueuesCommand const& command);
[[nodiscard]] int execute(Context const& context, QueueLimitsCommand const& command);
[[nodiscard]] int execute(Context const& context, QueueChangeCommand const& command);
[[nodiscard]] int execute(Context const& context, DeadLettersCommand const& command);
[[nodiscard]] int execute(Context const& context, DeadLetterEndCommand const& command);
[[nodiscard]] int execute(Context const& context, SchedulesCommand const& command);
[[nodiscard]] int execute(Context const& context, ScheduleCreateCommand const& command);
[[nodiscard]] int execute(Context const& context, ScheduleActionCommand const& command);
[[nodiscard]] int execute(Context const& context, ScheduleHistoryCommand const& command);
[[nodiscard]] int execute(Context const& context, ScheduleNextCommand const& command);
[[nodiscard]] int execute(Context const& context, WorkloadsCommand const& command);
[[nodiscard]] int execute(Context const& context, WorkloadStartCommand const& command);
[[nodiscard]] int execute(Context const& context, WorkloadActionCommand const& command);
[[nodiscard]] int execute(Context const& context, LandCommand const& command);
[[nodiscard]] int execute(Context const& context, GatewayCommand const& command);
[[nodiscard]] int execute(Context const& context, BudgetsCommand const& command);
[[nodiscard]] int execute(Context const& context, SpendCommand const& command);
[[nodiscard]] int execute(Context const& context, ModelServeCommand const& command);
[[nodiscard]] int execute(Context const& context, DoctorCommand const& command);
[[nodiscard]] int execute(Context const& context, BackupCommand const& command);
[[nodiscard]] int execute(Context const& context, RestoreCommand const& command);
[[nodiscard]] int execute(Context const& context, WorkflowCommand const& command);
[[nodiscard]] int execute(Context const& context, SdkCommand const& command);

}  // namespace drover::cli
