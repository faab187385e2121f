#include "workflow/journal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "workflow/testing.h"
#include "workflow/ulid.h"

namespace drover::workflow {
namespace {

// Longer than what one thread reads.
constexpr std::uint64_t kEntries = 1500;

class LongJournal : public testing::Scratch {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    ASSERT_TRUE(os::make_folders(run().journal()));
    EventName head;
    for (std::uint64_t i = 1; i <= kEntries; ++i) {
      Event event;
      event.name = {i, next_ulid(clock_.now(), random_, head.ulid)};
      event.type = "TEST";
      event.recorded_at = to_rfc3339(clock_.now());
      event.data = json::object{{"n", i}};
      head = event.name;
      names_.push_back(head);
      put(head, print_event(event, Writer::current));
    }
  }
  void put(EventName const& name, std::string const& text) {
    std::ofstream{path(name), std::ios::trunc} << text;
  }
  [[nodiscard]] std::string path(EventName const& name) const {
    return run().journal() + "/" + file_name(name);
  }
  [[nodiscard]] RunFolder run() const { return RunFolder{folder_ + "/run"}; }

  std::vector<EventName> names_;
};

TEST_F(LongJournal, IsReadInItsOrder) {
  auto const files = read_journal(run());
  ASSERT_TRUE(files) << files.error().text();
  ASSERT_EQ(files->events.size(), kEntries);
  for (std::uint64_t i = 0; i < kEntries; ++i)
    ASSERT_EQ(files->events[i].data.at("n").to_number<std::uint64_t>(), i + 1);
  auto const rest = read_journal_after(run(), names_[999]);
  ASSERT_TRUE(rest) << rest.error().text();
  EXPECT_EQ(rest->events.size(), kEntries - 1000);
  EXPECT_EQ(rest->events.front().name, names_[1000]);
}

TEST_F(LongJournal, OnlyItsLastEntryMayBeCutOff) {
  auto const whole = testing::read(path(names_.back()));
  put(names_.back(), whole.substr(0, whole.size() / 2));
  auto const files = read_journal(run());
  ASSERT_TRUE(files) << files.error().text();
  EXPECT_EQ(files->torn, file_name(names_.back()));
  EXPECT_EQ(files->events.size(), kEntries - 1);
}

// Whoever read which part: the first that is wrong is named.
TEST_F(LongJournal, TheFirstWrongEntryIsNamed) {
  for (std::size_t const wrong : {std::size_t{1400}, std::size_t{751}, std::size_t{3}}) {
    auto const whole = testing::read(path(names_[wrong]));
    auto changed = whole;
    changed.replace(changed.find("\"n\""), 3, "\"m\"");
    put(names_[wrong], changed);
    auto const files = read_journal(run());
    ASSERT_FALSE(files);
    EXPECT_EQ(files.error().code, ErrorCode::data_corrupt);
    EXPECT_NE(files.error().message.find(file_name(names_[wrong])), std::string::npos)
        << files.error().message;
  }
}

}  // namespace
}  // namespace drover::workflow
