#include "git/rules.h"

#include <chrono>

#include "git/test_repository.h"

namespace drover::git {
namespace {

TEST(Glob, CrossesSlashesOnlyWhereItShould) {
  auto const matches = [](std::string_view pattern, std::string_view text) {
    return Glob{pattern}.matches(text);
  };
  EXPECT_TRUE(matches("*.c", "main.c"));
  EXPECT_FALSE(matches("*.c", "src/main.c"));
  EXPECT_TRUE(matches("src/*.c", "src/main.c"));
  EXPECT_FALSE(matches("src/*.c", "src/a/main.c"));
  EXPECT_TRUE(matches("**/main.c", "main.c"));
  EXPECT_TRUE(matches("**/main.c", "a/b/main.c"));
  EXPECT_FALSE(matches("**/main.c", "xmain.c"));
  EXPECT_TRUE(matches("a/**/b", "a/b"));
  EXPECT_TRUE(matches("a/**/b", "a/x/y/b"));
  EXPECT_FALSE(matches("a/**/b", "a/xb"));
  EXPECT_TRUE(matches("a/**", "a/x/y"));
  EXPECT_FALSE(matches("a/**", "a"));
  EXPECT_TRUE(matches("[a-c]?[!x]", "bzy"));
  EXPECT_FALSE(matches("[a-c]?[!x]", "bzx"));
  EXPECT_TRUE(matches("[]-]", "]"));
  EXPECT_TRUE(matches("[[:digit:]]", "7"));
  EXPECT_TRUE(matches("\\*", "*"));
  EXPECT_FALSE(matches("\\*", "x"));
  EXPECT_FALSE(matches("[a", "a"));
  EXPECT_FALSE(matches("a[^b]c", "a/c"));
}

TEST(Glob, IsNotSlowOnHostilePatterns) {
  std::string pattern;
  for (int i = 0; i < 100; ++i)
    pattern += "*a**/";
  auto const start = std::chrono::steady_clock::now();
  EXPECT_FALSE(Glob{pattern + "b"}.matches(std::string(4000, 'a')));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{2});
}

class Rules : public testing::RepositoryTest {};

// `git check-ignore` is the oracle for every pair of a pattern and a path.
TEST_F(Rules, IgnoreLikeGit) {
  std::vector<std::string> const patterns = {
      "foo",      "/foo",   "foo/",     "foo/*",    "*.o",      "!*.o",    "a/b",
      "/a/b/",    "**/c",   "a/**",     "a/**/z",   "\\#x",     "#x",      "\\!y",
      "trail\\ ", "trail ", "[ab].txt", "[!a].txt", "?.md",     "**",      "a**b",
      "sp ace",   "/*",     "*/",       "a/*/c",    "*b*c",     "ab[c-]d", "[[:alpha:]]1",
      "\\a/b",    "foo\\",  "[",        "a/**b",    "/**/foo",  "**/",     "x/**/",
      "/",        "!",      " lead",    "a//b",     "b/**/**/c"};
  std::vector<std::string> const paths = {
      "foo",   "x/foo",   "foo/bar", "m.o",   "d/m.o",  "a/b",   "a/b/q", "c",       "q/c",
      "a/x/z", "a/z",     "#x",      "!y",    "trail ", "trail", "a.txt", "b.txt",   "z.md",
      "aXb",   "a/q/b",   "sp ace",  "top",   "a/m/c",  "xbyc",  "abcd",  "ab-d",    "k1",
      "11",    "x/foo/y", "x/y/z",   " lead", "lead",   "[",     "ab",    "b/1/2/c", "b/c"};
  sh("git init -q");
  for (auto const& pattern : patterns) {
    write(".gitignore", "*.o\n" + pattern + "\n");
    auto const rules = IgnoreRules::parse("*.o\n" + pattern + "\n");
    std::string list;
    for (auto const& path : paths)
      list += path + '\n';
    ASSERT_TRUE(os::write_file_atomic(top_ + "/list", list));
    auto const out =
        shell("tr '\\n' '\\0' < ../list | git check-ignore --no-index --stdin -z | tr '\\0' '\\n'",
              work_);
    for (auto const& path : paths) {
      bool ignored = false;
      // As the walk does: a folder that is ignored decides for all below it.
      for (std::size_t end = path.find('/'); !ignored; end = path.find('/', end + 1)) {
        auto const kind = end == std::string::npos ? PathKind::file : PathKind::folder;
        ignored = rules.decide(path.substr(0, end), kind).value_or(false);
        if (end == std::string::npos) break;
      }
      bool const by_git = ("\n" + out.text + "\n").find("\n" + path + "\n") != std::string::npos ||
                          (path.ends_with(' ') && out.text.ends_with(path));
      EXPECT_EQ(ignored, by_git) << "pattern '" << pattern << "' path '" << path << "'";
    }
  }
}

TEST(Attributes, TheLastMatchingLineAndTheStrongestFileWin) {
  using Macros = AttributeRules::Macros;
  auto const strong = AttributeRules::parse("*.c -text\n*.c eol=lf\n", Macros::allowed);
  auto const weak = AttributeRules::parse(
      "* text=auto\n[attr]mine filter=f ident\n*.x mine\n*.bin binary\n*.c eol=crlf !ident\n",
      Macros::allowed);
  auto const of = [&](std::string_view path) {
    AttributeLookup lookup;
    lookup.add_macros(strong);
    lookup.add_macros(weak);
    lookup.apply(strong, path);
    lookup.apply(weak, path);
    return std::move(lookup).take();
  };
  EXPECT_TRUE(of("a.c").text.is_unset());
  EXPECT_TRUE(of("a.c").eol.is("lf"));
  EXPECT_TRUE(of("d/a.x").ident.is_set());
  EXPECT_TRUE(of("d/a.x").filter.is("f"));
  EXPECT_TRUE(of("a.bin").text.is_unset());
  EXPECT_TRUE(of("other").text.is("auto"));
}

}  // namespace
}  // namespace drover::git
