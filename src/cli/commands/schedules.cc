#include <fmt/format.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/dispatch.h"
#include "cli/exit_codes.h"
#include "cli/listing.h"
#include "cli/workspace_grants.h"
#include "os/files.h"
#include "schedule/cron.h"

namespace drover::cli {

namespace {

constexpr std::int64_t kSchedulesMax = 10'000;
constexpr std::size_t kJobBytesMax = std::size_t{4} << 20U;

Result<json::object> read_job(std::string const& file) {
  auto const text = file == "-" ? os::read_all(STDIN_FILENO, "stdin", kJobBytesMax)
                                : os::read_file(file, kJobBytesMax);
  if (!text) return std::unexpected(text.error());
  auto value = parse_json(*text);
  if (!value) return std::unexpected(value.error());
  if (!value->is_object())
    return fail(ErrorCode::invalid_argument, "{} does not hold a JSON object", printable(file));
  return std::move(value->get_object());
}

// "30 2 * * * Europe/Berlin", "once", "event build.failed"
std::string when_of(json::object const& schedule) {
  if (schedule.contains("cron")) {
    std::string when = cell_text(schedule, "cron");
    if (schedule.contains("timezone")) when += " " + cell_text(schedule, "timezone");
    return when;
  }
  auto const* const event = schedule.if_contains("event");
  if (event != nullptr && event->is_object())
    return "event " + cell_text(event->get_object(), "type");
  return "once";
}

std::string target_of(json::object const& schedule) {
  auto const* const request = schedule.if_contains("request");
  if (request != nullptr && request->is_object()) return cell_text(request->get_object(), "url");
  auto const* value = schedule.if_contains("dispatch");
  for (std::string_view const member : {"start", "entrypoint", "inline"})
    value =
        value != nullptr && value->is_object() ? value->get_object().if_contains(member) : nullptr;
  return value != nullptr && value->is_string()
             ? printable(std::string_view{value->get_string()}, 60)
             : "-";
}

std::string status_of(json::object const& schedule) {
  std::string status = cell_text(schedule, "status");
  auto const* const paused = schedule.if_contains("paused");
  if (paused != nullptr && paused->is_bool() && paused->get_bool()) status += " (paused)";
  return status;
}

void show(Screen& screen, json::object const& schedule) {
  auto const line = [&](std::string_view name, std::string const& value) {
    if (value != "-") screen.print(fmt::format("{:<12} {}\n", name, value));
  };
  line("schedule", cell_text(schedule, "id"));
  line("status", status_of(schedule));
  line("when", when_of(schedule));
  line("", cell_text(schedule, "description"));
  line("next", cell_text(schedule, "next_at"));
  line("last", cell_text(schedule, "last_at"));
  line("fired", cell_text(schedule, "fired"));
  line("detail", cell_text(schedule, "detail"));
  line("target", target_of(schedule));
}

Result<json::object> make_job(Context const& context, ApiClient& client,
                              ScheduleCreateCommand const& command) {
  RunCommand run = command.run;
  auto prompt = read_prompt(run.prompt, STDIN_FILENO);
  if (!prompt) return std::unexpected(prompt.error());
  auto model = resolve_model(run.model);
  if (!model) return std::unexpected(model.error());
  run.prompt = *std::move(prompt);
  run.model = *std::move(model);
  auto const workspaces = open_workspaces(client, run);
  if (!workspaces) return std::unexpected(workspaces.error());
  json::object job;
  job["dispatch"] = make_invocation(run, *workspaces, subject_of(context.environment));
  auto const put = [&](std::string_view key, std::string const& value) {
    if (!value.empty()) job[key] = value;
  };
  put("cron", command.cron);
  put("timezone", command.timezone);
  put("execute_at", command.at);
  if (!command.event.empty()) job["event"] = json::object{{"type", json::string{command.event}}};
  put("id", command.id);
  put("misfire", command.misfire);
  put("overlap", command.overlap);
  put("idempotency_key", run.idempotency_key);
  if (command.jitter_s) job["jitter_s"] = *command.jitter_s;
  if (command.paused) job["paused"] = true;
  return job;
}

}  // namespace

int execute(Context const& context, SchedulesCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  Table table{{{"SCHEDULE"}, {"STATUS"}, {"WHEN"}, {"NEXT"}, {"FIRED", Align::right}, {"TARGET"}}};
  Screen& screen = context.screen;
  auto const listed = list_pages(*client, "/schedules?limit=100", "schedules", kSchedulesMax,
                                 [&](json::object const& schedule) {
                                   if (command.format == Format::json) {
                                     screen.print(json_object_line(schedule, screen.out_style()));
                                     return;
                                   }
                                   table.add({{cell_text(schedule, "id")},
                                              {status_of(schedule)},
                                              {when_of(schedule)},
                                              {cell_text(schedule, "next_at")},
                                              {cell_text(schedule, "fired")},
                                              {target_of(schedule)}});
                                 });
  if (!listed) return report(context, listed.error());
  return finish_listing(context, command.format, table,
                        "no schedules; make one with: drover schedules create");
}

int execute(Context const& context, ScheduleCreateCommand const& command) {
  auto client = connect_or_start(context);
  if (!client) return report(context, client.error());
  auto job = command.file.empty() ? make_job(context, *client, command) : read_job(command.file);
  if (!job) return report(context, job.error());
  auto const made = client->post("/schedules", *job);
  if (!made) return report(context, made.error());
  Screen& screen = context.screen;
  screen.print(command.run.format == Format::json ? json_object_line(*made, screen.out_style())
                                                  : cell_text(*made, "id") + "\n");
  return kExitOk;
}

int execute(Context const& context, ScheduleActionCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  std::string const path = fmt::format("/schedules/{}", command.schedule);
  Screen& screen = context.screen;
  Result<json::object> answer{};
  switch (command.action) {
    case ScheduleAction::show:
      answer = client->get(path);
      break;
    case ScheduleAction::cancel:
      if (auto const removed = client->remove(path); !removed)
        return report(context, removed.error());
      screen.note(fmt::format("drover: {} is cancelled", command.schedule));
      return kExitOk;
    case ScheduleAction::pause:
      answer = client->post(path + "/pause", {});
      break;
    case ScheduleAction::resume:
      answer = client->post(path + "/resume", {});
      break;
    case ScheduleAction::run:
      answer = client->post(path + "/run", {}, new_id_text("cli", context.clock, context.random));
      break;
  }
  if (!answer) return report(context, answer.error());
  if (command.format == Format::json) {
    screen.print(json_object_line(*answer, screen.out_style()));
  } else if (command.action == ScheduleAction::run) {
    screen.note(fmt::format("drover: {} fires; see drover schedules history {}", command.schedule,
                            command.schedule));
  } else {
    show(screen, *answer);
  }
  return kExitOk;
}

int execute(Context const& context, ScheduleHistoryCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  Table table{{{"SCHEDULED FOR"},
               {"CAUSE"},
               {"STATE"},
               {"TRIES", Align::right},
               {"RUN"},
               {"HTTP"},
               {"REASON"}}};
  Screen& screen = context.screen;
  auto const listed = list_pages(*client,
                                 fmt::format("/schedules/{}/history?limit={}", command.schedule,
                                             std::min<std::int64_t>(command.limit, 100)),
                                 "firings", command.limit, [&](json::object const& firing) {
                                   if (command.format == Format::json) {
                                     screen.print(json_object_line(firing, screen.out_style()));
                                     return;
                                   }
                                   table.add({{cell_text(firing, "scheduled_for")},
                                              {cell_text(firing, "cause")},
                                              {cell_text(firing, "state")},
                                              {cell_text(firing, "attempts")},
                                              {cell_text(firing, "run")},
                                              {cell_text(firing, "http_status")},
                                              {cell_text(firing, "reason")}});
                                 });
  if (!listed) return report(context, listed.error());
  return finish_listing(context, command.format, table, "it has not fired");
}

int execute(Context const& context, ScheduleNextCommand const& command) {
  auto const cron = schedule::Cron::parse(command.cron);
  if (!cron) return report(context, cron.error());
  auto const zone = schedule::TimeZone::load(command.timezone);
  if (!zone) return report(context, zone.error());
  WallTime after = context.clock.now();
  if (!command.after.empty()) {
    auto const given = parse_rfc3339(command.after);
    if (!given) return report(context, given.error());
    after = *given;
  }
  std::optional time{std::chrono::floor<std::chrono::seconds>(after)};
  for (std::int64_t i = 0; i < command.count; ++i) {
    time = cron->next(*time, *zone);
    if (!time) break;
    context.screen.print(zone->format(*time) + "\n");
  }
  context.screen.note(cron->describe());
  return kExitOk;
}

}  // namespace drover::cli
