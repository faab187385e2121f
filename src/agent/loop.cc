#include "agent/loop.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include <boost/json.hpp>

#include "agent/output.h"
#include "base/text.h"
#include "os/fd.h"

namespace drover::agent {

namespace {

constexpr std::string_view kInterruptedNote = "[The user interrupted this turn.]";
constexpr std::string_view kContinueNote =
    "[Your answer was cut by the output limit. Go on exactly where it stopped.]";

model::RequestBuilder::Options builder_options(LoopOptions const& options, Tools const& tools) {
  model::RequestBuilder::Options out;
  out.model = options.model;
  out.tokens_max = options.tokens_max;
  out.system = options.system;
  out.user_id = options.session;
  for (auto const& tool : tools)
    out.tools.push_back(tool->spec());
  return out;
}

}  // namespace

Loop::Loop(LoopOptions options, Tools tools, Transcript transcript, Ports ports)
    : options_(std::move(options)),
      tools_(std::move(tools)),
      transcript_(std::move(transcript)),
      ports_(ports),
      builder_(builder_options(options_, tools_)),
      cwd_(options_.cwd) {
  Transcript::History history = transcript_.take_history();
  for (Transcript::Message const& message : history.messages)
    builder_.append(message.role, message.json);
  open_calls_ = std::move(history.open_calls);
  last_ = std::move(history.last);
  notice_ = std::move(history.notice);
}

TurnOutcome Loop::run_turn(TurnRequest const& request) {
  if (!notice_.empty()) ports_.sink->error(std::exchange(notice_, {}));
  stop_ = false;
  failure_key_.clear();
  failure_count_ = 0;
  TurnOutcome outcome;
  if (last_.id == request.turn_id && last_.outcome) {
    outcome = *last_.outcome;
  } else {
    outcome = drive(request);
    // The journal is the next attempt's, which would take an end in it for its own.
    if (ports_.waiter->superseded() || fenced_) return outcome;
    // A turn that could not keep its history has no end, so that another try goes on with it.
    Status ended;
    if (outcome.reason != DoneReason::session_error)
      ended = transcript_.end(request.turn_id, outcome);
    if (!ended && outcome.ok())
      outcome = failed(Turn{.id = request.turn_id, .turns = outcome.turns, .reply = outcome.reply},
                       ended.error());
  }
  last_ = {};
  last_.id = request.turn_id;
  if (outcome.reason != DoneReason::session_error) last_.outcome = outcome;
  ports_.sink->done(outcome);
  return outcome;
}

TurnOutcome Loop::drive(TurnRequest const& request) {
  Turn turn;
  turn.id = request.turn_id;
  turn.turns_max = request.turns_max;
  builder_.set_model(request.model.empty() ? options_.model : request.model);
  if (auto ended = begin(request, turn)) return *std::move(ended);
  for (;;) {
    if (auto ended = step(turn)) return *std::move(ended);
  }
}

Loop::Ending Loop::begin(TurnRequest const& request, Turn& turn) {
  bool const resumed = last_.id == request.turn_id;
  if (auto const closed = close_open_calls(request); !closed) return failed(turn, closed.error());
  if (!resumed) {
    auto const added = add_user(turn.id, UserKind::prompt, request.prompt);
    if (!added) return failed(turn, added.error());
    return {};
  }
  turn.turns = last_.turns;
  turn.reply = last_.text;
  // The process died between the last answer and its report.
  if (last_.answered) return outcome(turn, DoneReason::completed, {});
  std::vector<CallRun> asked;
  for (model::ToolCall const& call : last_.asked) {
    ToolScope scope = make_scope(call);
    asked.push_back({.call = &call, .reply = run_one(call, scope)});
  }
  return ask(turn, asked);
}

// A killed process left calls without results. Read-only ones of the same turn are made again.
Status Loop::close_open_calls(TurnRequest const& request) {
  if (open_calls_.empty()) return {};
  bool const same_turn = last_.id == request.turn_id;
  std::vector<std::string> blocks;
  for (Transcript::OpenCall const& open : open_calls_) {
    if (open.result) {
      blocks.push_back(*open.result);
      continue;
    }
    std::string block = missing_result_block(open);
    if (same_turn && find_tool(open.call.name) != nullptr &&
        kind_of(open.call) == ToolKind::read_only) {
      ToolScope scope = make_scope(open.call);
      ToolReply const reply = run_one(open.call, scope);
      block = model::tool_result_block(open.call.id, reply.text, reply.outcome);
    }
    DROVER_TRY(transcript_.result(open.call.id, block));
    blocks.push_back(std::move(block));
  }
  builder_.append(model::Role::user, model::message_json(model::Role::user, blocks));
  open_calls_.clear();
  return {};
}

Status Loop::add_user(std::string_view turn_id, UserKind kind, std::string_view text) {
  std::array const blocks{model::text_block(text)};
  std::string const message = model::message_json(model::Role::user, blocks);
  DROVER_TRY(transcript_.user(turn_id, kind, message));
  builder_.append(model::Role::user, message);
  return {};
}

Loop::Ending Loop::step(Turn& turn) {
  if (turn.turns >= turn.turns_max)
    return outcome(turn, DoneReason::max_turns,
                   fmt::format("the turn has made {} model calls, its limit", turn.turns));
  auto const response = call_model();
  if (!response) return after_failure(turn, response.error());
  ++turn.turns;
  turn.reply = response->text;
  return after_answer(turn, *response);
}

Loop::Ending Loop::after_answer(Turn& turn, model::Response const& response) {
  if (!response.blocks.empty()) {
    std::string const message = model::message_json(model::Role::assistant, response.blocks);
    auto const written = transcript_.assistant(response, message);
    if (!written) return failed(turn, written.error());
    builder_.append(model::Role::assistant, message);
  }
  if (response.calls.empty()) return end_of_answer(turn, response);
  return run_tools(turn, response.calls);
}

Loop::Ending Loop::end_of_answer(Turn& turn, model::Response const& response) {
  switch (response.stop_reason) {
    case model::StopReason::pause_turn:
      return {};
    case model::StopReason::max_tokens:
      return continue_answer(turn);
    case model::StopReason::refusal:
      return outcome(turn, DoneReason::model_error, "the model refused to answer");
    case model::StopReason::context_window_exceeded:
      return outcome(turn, DoneReason::prompt_too_long,
                     "the conversation has filled the model's context window");
    default:
      return outcome(turn, DoneReason::completed, {});
  }
}

Loop::Ending Loop::continue_answer(Turn& turn) {
  if (turn.continuations++ >= options_.continuations_max)
    return outcome(turn, DoneReason::model_error,
                   fmt::format("the answer was cut {} times by the limit of {} output tokens",
                               turn.continuations, options_.tokens_max));
  auto const added = add_user(turn.id, UserKind::note, kContinueNote);
  if (!added) return failed(turn, added.error());
  return {};
}

std::expected<model::Response, model::Failure> Loop::call_model() {
  auto const on_item = [this](model::StreamItem const& item) {
    if (item.kind == model::StreamItem::Kind::text) {
      partial_text_ += item.text;
      ports_.sink->text_delta(item.text);
    } else if (item.kind == model::StreamItem::Kind::thinking) {
      ports_.sink->thinking_delta(item.text);
    }
  };
  for (int attempt = 1;; ++attempt) {
    partial_text_.clear();
    auto response = ports_.model->call(builder_.body(), on_item);
    if (response) return response;
    auto const wait = model::retry_wait(options_.retry, response.error(), attempt, *ports_.random);
    if (!wait) return response;
    ports_.sink->retry(attempt, *wait, response.error().text());
    Wake const wake = ports_.waiter->wait({}, ports_.clock->boot_now() + *wait);
    if (wake != Wake::interrupted) continue;
    model::Failure failure;
    failure.kind = model::Failure::Kind::interrupted;
    return std::unexpected(std::move(failure));
  }
}

TurnOutcome Loop::after_failure(Turn const& turn, model::Failure const& failure) {
  switch (model::classify(failure)) {
    case model::Verdict::interrupted:
      if (!ports_.waiter->superseded()) {
        if (auto const kept = keep_partial_answer(turn); !kept) return failed(turn, kept.error());
      }
      return outcome(turn, DoneReason::interrupted, "the turn was interrupted");
    case model::Verdict::budget_exhausted:
      return outcome(turn, DoneReason::budget_exhausted, failure.text());
    case model::Verdict::turns_exhausted:
      return outcome(turn, DoneReason::max_turns, failure.message);
    case model::Verdict::prompt_too_long:
      return outcome(turn, DoneReason::prompt_too_long, failure.text());
    case model::Verdict::fenced:
      fenced_ = true;
      break;
    case model::Verdict::retry:
    case model::Verdict::fatal:
      break;
  }
  return outcome(turn, DoneReason::model_error, failure.text());
}

// What the user has seen of the answer stays in the conversation, so that both sides know it.
Status Loop::keep_partial_answer(Turn const& turn) {
  if (!partial_text_.empty()) {
    model::Response partial;
    partial.blocks.push_back(model::text_block(partial_text_));
    partial.stop_reason = model::StopReason::other;
    std::string const message = model::message_json(model::Role::assistant, partial.blocks);
    DROVER_TRY(transcript_.assistant(partial, message));
    builder_.append(model::Role::assistant, message);
  }
  return add_user(turn.id, UserKind::note, kInterruptedNote);
}

Loop::Ending Loop::run_tools(Turn& turn, std::vector<model::ToolCall> const& calls) {
  std::vector<CallRun> runs;
  for (model::ToolCall const& call : calls) {
    ports_.sink->tool_call(call);
    CallRun run;
    run.call = &call;
    runs.push_back(std::move(run));
  }
  // Neighbouring read-only calls form a batch; a call with effects is a batch of its own.
  for (std::size_t begin = 0; begin < runs.size();) {
    std::size_t end = begin + 1;
    if (kind_of(*runs[begin].call) == ToolKind::read_only) {
      while (end < runs.size() && kind_of(*runs[end].call) == ToolKind::read_only)
        ++end;
    }
    if (auto const ran = run_batch(runs, begin, end); !ran) return failed(turn, ran.error());
    begin = end;
  }
  std::vector<std::string> blocks;
  for (CallRun const& run : runs)
    blocks.push_back(model::tool_result_block(run.call->id, run.reply.text, run.reply.outcome));
  builder_.append(model::Role::user, model::message_json(model::Role::user, blocks));
  if (auto asked = ask(turn, runs)) return asked;
  for (CallRun const& run : runs) {
    if (!repeats_failure(run)) continue;
    return outcome(turn, DoneReason::model_error,
                   fmt::format("the model made the same failing call {} times in a row: {} ({})",
                               failure_count_, run.call->name, printable(run.reply.text, 200)));
  }
  if (interrupted()) return outcome(turn, DoneReason::interrupted, "the turn was interrupted");
  return {};
}

// Calls that put questions to the user end the turn.
Loop::Ending Loop::ask(Turn const& turn, std::vector<CallRun> const& runs) {
  std::string asked;
  for (CallRun const& run : runs) {
    for (Question const& question : run.reply.questions) {
      ports_.sink->question(run.call->id, question);
      if (!asked.empty()) asked += '\n';
      asked += question.text;
    }
  }
  if (asked.empty()) return {};
  return outcome(turn, DoneReason::waiting_input, std::move(asked));
}

// Runs the calls [begin, end), records their results and tells of them, in call order.
Status Loop::run_batch(std::vector<CallRun>& runs, std::size_t begin, std::size_t end) {
  bool const too_many = end > options_.calls_max;
  if (interrupted() || too_many) {
    for (std::size_t i = begin; i < end; ++i)
      runs[i].reply = too_many ? tool_error(fmt::format("Not run: at most {} calls in one answer.",
                                                        options_.calls_max))
                               : tool_error("Not run: the user interrupted this turn.");
  } else if (kind_of(*runs[begin].call) == ToolKind::read_only) {
    run_beside(runs, begin, end);
  } else {
    DROVER_TRY(run_alone(runs[begin]));
  }
  if (ports_.waiter->superseded())
    return fail(ErrorCode::cancelled, "another attempt goes on with this turn");
  for (std::size_t i = begin; i < end; ++i) {
    CallRun const& run = runs[i];
    bool const ok = run.reply.outcome == model::ToolOutcome::ok;
    DROVER_TRY(transcript_.result(
        run.call->id, model::tool_result_block(run.call->id, run.reply.text, run.reply.outcome)));
    std::string const summary = head_and_tail(run.reply.text, kSummaryBytesMax);
    ports_.sink->tool_result({run.call->id, ok, summary, run.took});
  }
  return {};
}

Status Loop::run_alone(CallRun& run) {
  Tool const* const tool = find_tool(run.call->name);
  if (tool != nullptr && run.call->invalid.empty()) DROVER_TRY(transcript_.intent(run.call->id));
  BootTime const started = ports_.clock->boot_now();
  ToolScope scope = make_scope(*run.call);
  run.reply = run_one(*run.call, scope);
  if (!scope.new_cwd.empty()) cwd_ = scope.new_cwd;
  run.took = std::chrono::duration_cast<Millis>(ports_.clock->boot_now() - started);
  return {};
}

void Loop::run_beside(std::vector<CallRun>& runs, std::size_t begin, std::size_t end) {
  std::atomic<std::size_t> next{begin};
  os::Fd const finished{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  auto const work = [&] {
    for (std::size_t i = next++; i < end; i = next++) {
      BootTime const started = ports_.clock->boot_now();
      ToolScope scope = make_scope(*runs[i].call);
      runs[i].reply = run_one(*runs[i].call, scope);
      runs[i].took = std::chrono::duration_cast<Millis>(ports_.clock->boot_now() - started);
    }
    std::uint64_t const one = 1;
    [[maybe_unused]] auto const written = ::write(finished.get(), &one, sizeof one);
  };
  std::size_t const count = std::min(options_.parallel_max, end - begin);
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < count; ++i)
    threads.emplace_back(work);
  // Read-only tools end by themselves; the wait is here so that an interrupt reaches them.
  constexpr Millis kGlance{60'000};
  for (std::size_t ended = 0; ended < count;) {
    std::array descriptors{pollfd{finished.get(), POLLIN, 0}};
    Wake const wake = ports_.waiter->wait(descriptors, ports_.clock->boot_now() + kGlance);
    if (wake == Wake::interrupted) {
      stop_ = true;
      return;  // joins
    }
    std::uint64_t some = 0;
    if (wake == Wake::ready && ::read(finished.get(), &some, sizeof some) == sizeof some)
      ended += some;
  }
}

ToolReply Loop::run_one(model::ToolCall const& call, ToolScope& scope) {
  Tool* const tool = find_tool(call.name);
  if (tool == nullptr) {
    std::vector<std::string_view> names;
    for (auto const& offered : tools_)
      names.push_back(offered->spec().name);
    return tool_error(fmt::format("There is no tool '{}'. Offered: {}.", printable(call.name),
                                  fmt::join(names, ", ")));
  }
  if (!call.invalid.empty()) return tool_error(call.invalid);
  json::value const value = call.input;
  auto const input = JsonObject::of(value);
  return tool->run(*input, scope);
}

ToolScope Loop::make_scope(model::ToolCall const& call) {
  ToolScope scope;
  scope.cwd = &cwd_;
  scope.spill_path = transcript_.spill_path(call.id);
  scope.waiter = ports_.waiter;
  scope.clock = ports_.clock;
  scope.stop = &stop_;
  return scope;
}

Tool* Loop::find_tool(std::string_view name) const {
  auto const found =
      std::ranges::find_if(tools_, [&](auto const& tool) { return tool->spec().name == name; });
  return found == tools_.end() ? nullptr : found->get();
}

ToolKind Loop::kind_of(model::ToolCall const& call) const {
  Tool const* const tool = find_tool(call.name);
  return tool == nullptr ? ToolKind::with_effects : tool->kind();
}

bool Loop::repeats_failure(CallRun const& run) {
  if (run.reply.outcome == model::ToolOutcome::ok) {
    failure_key_.clear();
    failure_count_ = 0;
    return false;
  }
  std::string key =
      fmt::format("{}\n{}\n{}", run.call->name, json::serialize(run.call->input), run.reply.text);
  failure_count_ = key == failure_key_ ? failure_count_ + 1 : 1;
  failure_key_ = std::move(key);
  return failure_count_ >= options_.same_failure_max;
}

bool Loop::interrupted() {
  return ports_.waiter->wait({}, ports_.clock->boot_now()) == Wake::interrupted;
}

TurnOutcome Loop::outcome(Turn const& turn, DoneReason reason, std::string detail) const {
  TurnOutcome out;
  out.reason = reason;
  out.reply = turn.reply;
  out.detail = std::move(detail);
  out.turns = turn.turns;
  return out;
}

TurnOutcome Loop::failed(Turn const& turn, Error const& error) const {
  return outcome(turn, DoneReason::session_error, error.text());
}

}  // namespace drover::agent
