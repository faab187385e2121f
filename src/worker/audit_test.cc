#include "worker/audit.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "store/scratch.h"

namespace drover::worker {
namespace {

AuditAction between(std::string_view before, std::string_view after) {
  std::optional<json::value> left;
  std::optional<json::value> right;
  if (!before.empty()) left = parse_json(before).value();
  if (!after.empty()) right = parse_json(after).value();
  auto const* const from = left ? &*left : nullptr;
  auto const* const to = right ? &*right : nullptr;
  return action_of(from, to, json_differences(from, to));
}

TEST(AuditAction, IsWhatTheChangeComesTo) {
  EXPECT_EQ(between("", R"({"name":"a","enabled":false})"), AuditAction::created);
  EXPECT_EQ(between(R"({"name":"a"})", ""), AuditAction::deleted);
  EXPECT_EQ(between(R"({"name":"a"})", R"({"name":"a","enabled":false})"), AuditAction::disabled);
  EXPECT_EQ(between(R"({"name":"a","enabled":false})", R"({"name":"a"})"), AuditAction::enabled);
  EXPECT_EQ(between(R"({"name":"a"})", R"({"name":"a","enabled":false,"model":"m"})"),
            AuditAction::changed)
      << "more than that";
  EXPECT_EQ(between(R"({"env":{"enabled":"a"}})", R"({"env":{"enabled":"b"}})"),
            AuditAction::changed);
}

class Audit : public ::testing::Test {
 protected:
  Audit() { EXPECT_TRUE(store::migrate(database_, audit_migrations())); }
  void write(std::string const& kind, std::string const& name, std::string const& prompt = "p") {
    AuditEntry entry;
    entry.at = from_unix_ms(1000);
    entry.kind = kind;
    entry.name = name;
    entry.revision = ++revision_;
    entry.actor = "user:ann";
    json::value const body{{"prompt", prompt}};
    entry.changes = json_differences(nullptr, &body);
    ASSERT_TRUE(insert_audit(database_, entry));
  }
  std::vector<std::int64_t> listed(AuditFilter const& filter) {
    std::vector<std::int64_t> revisions;
    auto const entries = list_audit(database_, filter);
    EXPECT_TRUE(entries);
    for (AuditEntry const& entry : *entries)
      revisions.push_back(entry.revision);
    return revisions;
  }

  store::Scratch scratch_;
  store::Database database_ = scratch_.open();
  std::int64_t revision_ = 0;
};

TEST_F(Audit, ListsTheNewestFirstByKindAndNameAndPage) {
  for (char const* const name : {"a", "b", "a", "a"})
    write("agent", name);
  write("task_type", "a");
  using List = std::vector<std::int64_t>;
  EXPECT_EQ(listed({"", "", {}, 50}), (List{5, 4, 3, 2, 1}));
  EXPECT_EQ(listed({"agent", "", {}, 50}), (List{4, 3, 2, 1}));
  EXPECT_EQ(listed({"agent", "a", {}, 2}), (List{4, 3}));
  auto const page = list_audit(database_, {"agent", "a", {}, 2}).value();
  EXPECT_EQ(listed({"agent", "a", page.back().id, 2}), (List{1}));
  EXPECT_EQ(listed({"", "b", {}, 50}), (List{2}));
}

TEST_F(Audit, ALongTextIsWholeInTheStoreAndShortInAListing) {
  std::string const text(kAuditListedBytesMax, 'x');
  write("agent", "a", text);
  write("agent", "b", text + "\xc3\xa9 and more");
  auto const whole = list_audit(database_, {"", "b", {}, 1}).value().front();
  EXPECT_EQ(find_audit(database_, whole.id)->changes, whole.changes);
  EXPECT_EQ(whole.changes.front().after->as_string(), text + "\xc3\xa9 and more");
  auto const change = [&](std::string const& name, AuditForm form) {
    auto const entry = list_audit(database_, {"", name, {}, 1}).value().front();
    return to_json(entry, form).at("changes").as_array().at(0).as_object();
  };
  EXPECT_FALSE(change("a", AuditForm::listed).contains("shortened"));
  EXPECT_FALSE(change("b", AuditForm::whole).contains("shortened"));
  EXPECT_EQ(change("b", AuditForm::listed).at("shortened"), json::value(true));
  EXPECT_EQ(change("b", AuditForm::listed).at("after").as_string(), text);
}

TEST_F(Audit, KeepsTheNewestOnes) {
  // As if so many had been written before.
  write("agent", "old");
  ASSERT_TRUE(database_.run("UPDATE audit SET id=?1", kAuditRowsMax));
  auto const id = kAuditRowsMax;
  write("agent", "new");
  EXPECT_TRUE(find_audit(database_, id));
  ASSERT_TRUE(database_.run("UPDATE audit SET id=?1 WHERE id=?2", 2 * id, id + 1));
  write("agent", "newest");
  EXPECT_EQ(find_audit(database_, id).error().code, ErrorCode::not_found);
  EXPECT_TRUE(find_audit(database_, 2 * id));
  EXPECT_TRUE(find_audit(database_, 2 * id + 1));
}

}  // namespace
}  // namespace drover::worker
