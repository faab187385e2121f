#include "harness/repository.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace drover::harness {

void Repository::write(std::string const& name, std::string const& text) const {
  std::filesystem::create_directories(std::filesystem::path{file(name)}.parent_path());
  std::ofstream out{file(name), std::ios::binary};
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + file(name));
}

std::string Repository::read(std::string const& name) const {
  std::ifstream in{file(name), std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool Repository::has(std::string const& name) const {
  return std::filesystem::exists(file(name));
}

std::string Repository::git(std::vector<std::string> const& arguments) const {
  ProgramOptions options;
  options.arguments = {"git"};
  options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
  options.environment = environment_;
  options.folder = path_;
  Outcome const outcome = run_program(options);
  if (outcome.exit_code != 0)
    throw std::runtime_error(
        fmt::format("git {} in {}: {}", arguments.front(), path_, outcome.text()));
  std::string text = outcome.out;
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void Repository::commit_all(std::string const& subject) const {
  git({"add", "--all"});
  git({"commit", "--quiet", "--allow-empty", "--message", subject});
}

std::size_t Repository::commits(std::string const& range) const {
  return std::stoul(git({"rev-list", "--count", range}));
}

}  // namespace drover::harness
