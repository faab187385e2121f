#include <fmt/format.h>

#include <algorithm>

#include <boost/json.hpp>

#include "cli/commands.h"
#include "cli/document.h"
#include "cli/exit_codes.h"
#include "cli/json_view.h"
#include "cli/listing.h"
#include "net/http_types.h"

namespace drover::cli {

namespace {

std::string dollars(json::object const& object, std::string_view key) {
  return money(number_at(object, key));
}

// "$1.20 of $5.00, 3000 of 10000 tokens"
std::string used_of(json::object const& limit, json::object const& account) {
  std::string text;
  if (limit.contains("usd"))
    text = fmt::format("{} of {}", dollars(account, "spent_usd"), dollars(limit, "usd"));
  if (limit.contains("tokens"))
    text += fmt::format("{}{} of {} tokens", text.empty() ? "" : ", ",
                        cell_text(account, "spent_tokens"), cell_text(limit, "tokens"));
  return text;
}

void add_rows(Table& table, json::object const& limit) {
  bool const of_each = !limit.contains("name") && cell_text(limit, "scope") != "all";
  auto const add = [&](std::string const& name, std::string const& used) {
    table.add({{cell_text(limit, "scope")},
               {name},
               {cell_text(limit, "per")},
               {used},
               {cell_text(limit, "origin")}});
  };
  auto const& accounts = array_at(limit, "accounts");
  if (of_each) add("each", used_of(limit, {}));
  for (json::value const& account : accounts)
    if (account.is_object())
      add(cell_text(account.get_object(), "name"), used_of(limit, account.get_object()));
}

}  // namespace

int execute(Context const& context, BudgetsCommand const& command) {
  json::object wanted;
  if (!command.file.empty()) {
    auto document = read_document(command.file);
    if (!document) return report(context, document.error());
    wanted = *std::move(document);
  }
  auto client = connect(context);
  if (!client) return report(context, client.error());
  auto const answer =
      command.file.empty() ? client->get("/budgets") : client->put("/budgets", wanted);
  if (!answer) return report(context, answer.error());
  Screen& screen = context.screen;
  if (command.format == Format::json) {
    screen.print(json_object_line(*answer, screen.out_style()));
    return kExitOk;
  }
  Table table{{{"OF"}, {"NAME"}, {"PER"}, {"USED"}, {"FROM"}}};
  for (json::value const& limit : array_at(*answer, "limits"))
    if (limit.is_object()) add_rows(table, limit.get_object());
  return finish_listing(context, command.format, table, "nothing limits what models may cost");
}

int execute(Context const& context, SpendCommand const& command) {
  auto client = connect(context);
  if (!client) return report(context, client.error());
  std::string query = "/spend?by=" + net::percent_encode(command.by);
  if (!command.since.empty()) query += "&since=" + net::percent_encode(command.since);
  auto const answer = client->get(query);
  if (!answer) return report(context, answer.error());
  Screen& screen = context.screen;
  std::vector<Table::Column> columns;
  std::vector<std::string> names;
  for (std::string_view rest = command.by; !rest.empty();) {
    std::string const name{rest.substr(0, rest.find(','))};
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    columns.push_back({name});
    names.push_back(name);
  }
  for (std::string_view const name : {"CALLS", "INPUT", "OUTPUT", "CACHED", "TOKENS", "COST"})
    columns.push_back({std::string{name}, Align::right});
  Table table{columns};
  for (json::value const& item : array_at(*answer, "spend")) {
    if (!item.is_object()) continue;
    json::object const& row = item.get_object();
    if (command.format == Format::json) {
      screen.print(json_object_line(row, screen.out_style()));
      continue;
    }
    std::vector<Table::Cell> cells;
    for (std::string const& name : names)
      cells.push_back({cell_text(row, name)});
    for (std::string_view const name : {"calls", "input", "output", "cache_read", "tokens"})
      cells.push_back({cell_text(row, name)});
    cells.push_back({dollars(row, "cost_usd")});
    table.add(std::move(cells));
  }
  return finish_listing(context, command.format, table, "nothing was spent");
}

}  // namespace drover::cli
