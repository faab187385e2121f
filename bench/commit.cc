// In a repository of its own: change three files, then open it and commit, as the end of a turn
// does. Beside it, the two runs of the git program that do the same.
#include "git/commit.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "benches.h"
#include "git/repository.h"
#include "machine.h"
#include "os/files.h"
#include "os/process.h"

namespace drover::bench {

namespace {

constexpr int kWarmUps = 5;
constexpr int kRepetitions = 40;
constexpr int kFilesAFolder = 100;
constexpr int kChanged = 3;
constexpr Millis kGitWait{60'000};

std::string file_name(int number) {
  return fmt::format("src/part-{:03}/file-{:03}.txt", number / kFilesAFolder,
                     number % kFilesAFolder);
}

Status write_file(std::string const& work, int number, int version) {
  std::string content = fmt::format("file {} version {}\n", number, version);
  for (int line = 0; line < 12; ++line)
    content += fmt::format("line {} of file {} says something\n", line, number);
  std::string const path = work + "/" + file_name(number);
  os::Fd const fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  if (!fd.valid()) return fail_errno("write", path);
  return os::write_all(fd.get(), content, path);
}

Status write_tree(std::string const& work, int files) {
  for (int number = 0; number < files; number += kFilesAFolder)
    DROVER_TRY(os::make_folders(fmt::format("{}/src/part-{:03}", work, number / kFilesAFolder)));
  for (int number = 0; number < files; ++number)
    DROVER_TRY(write_file(work, number, 0));
  return {};
}

// Three files in three folders, where there are so many.
Status change_files(std::string const& work, int files, int version) {
  for (int i = 0; i < kChanged; ++i) {
    int const number = (version * 37 + i * (files / kChanged)) % files;
    DROVER_TRY(write_file(work, number, version));
  }
  return {};
}

Status seed(std::string const& work) {
  git::InitRequest request;
  request.author = request.committer = {"Bench", "bench@localhost"};
  request.when = SystemClock{}.now();
  auto const made = git::Repository::init(work, request);
  if (!made) return std::unexpected(made.error());
  return {};
}

Result<double> commit_ms(std::string const& work) {
  git::CommitRequest request;
  request.subject = "Change three files";
  request.author = {"Agent", "agent@localhost"};
  request.committer = {"drover", "drover@localhost"};
  request.trailers = {{"Drover-Session", "ses-bench"}, {"Drover-Run", "run-bench"}};
  request.excluded = {".claude/.session", ".drover/"};
  request.when = SystemClock{}.now();
  std::int64_t const start = monotonic_ns();
  auto repository = git::Repository::open(work);
  if (!repository) return std::unexpected(repository.error());
  auto const outcome = git::commit_changes(*repository, request);
  std::int64_t const end = monotonic_ns();
  if (!outcome) return std::unexpected(outcome.error());
  if (!outcome->committed || outcome->files.size() != kChanged)
    return fail(ErrorCode::internal, "the commit holds {} changes, not {}", outcome->files.size(),
                kChanged);
  return ms_between(start, end);
}

Status run_git(Scratch const& scratch, std::string const& work, std::vector<std::string> words) {
  os::ProcessSpec spec;
  // No collection of garbage in the background of what is measured.
  spec.argv = {"git", "-C", work, "-c", "gc.auto=0", "-c", "maintenance.auto=false"};
  spec.argv.insert(spec.argv.end(), words.begin(), words.end());
  spec.env = plain_environment(scratch.folder());
  spec.env.insert(spec.env.end(),
                  {"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Agent", "GIT_COMMITTER_NAME=drover",
                   "GIT_AUTHOR_EMAIL=agent@localhost", "GIT_COMMITTER_EMAIL=drover@localhost"});
  auto process = os::Process::spawn(spec);
  if (!process) return std::unexpected(process.error());
  auto const ended = process->wait(kGitWait);
  if (!ended) return std::unexpected(ended.error());
  if (!*ended || !(*ended)->ok()) return fail(ErrorCode::upstream, "git {} failed", words[0]);
  return {};
}

Result<double> two_git_runs_ms(Scratch const& scratch, std::string const& work) {
  std::int64_t const start = monotonic_ns();
  DROVER_TRY(run_git(scratch, work, {"add", "-A"}));
  DROVER_TRY(run_git(scratch, work, {"commit", "-q", "--no-gpg-sign", "-m", "Change"}));
  return ms_between(start, monotonic_ns());
}

template <class Commit>
Result<Samples> measure(std::string const& work, int files, int& version, Report const& report,
                        Commit const& commit) {
  Samples samples;
  int const repetitions = report.repetitions(kRepetitions);
  for (int i = -kWarmUps; i < repetitions; ++i) {
    DROVER_TRY(check_interrupt());
    DROVER_TRY(change_files(work, files, ++version));
    Result<double> const took = commit();
    if (!took) return std::unexpected(took.error());
    if (i >= 0) samples.add(*took);
  }
  return samples;
}

Status measure_tree(Scratch const& scratch, int files, Report& report) {
  std::string const work = scratch.path(fmt::format("work-{}", files));
  DROVER_TRY(write_tree(work, files));
  DROVER_TRY(seed(work));
  int version = 0;
  auto const ours = measure(work, files, version, report, [&] { return commit_ms(work); });
  if (!ours) return std::unexpected(ours.error());
  report.add_quantiles(fmt::format("{}-files", files), "ms", *ours);
  if (!find_program("git")) {
    note("left out: git-program; to have it: apt-get install git");
    return {};
  }
  auto const theirs =
      measure(work, files, version, report, [&] { return two_git_runs_ms(scratch, work); });
  if (!theirs) return std::unexpected(theirs.error());
  report.add_quantiles(fmt::format("git-program-{}-files", files), "ms", *theirs);
  return {};
}

}  // namespace

Status run_commit(Report& report) {
  auto const scratch = Scratch::create();
  if (!scratch) return std::unexpected(scratch.error());
  auto const disk = disk_sync_ms(*scratch);
  if (!disk) return std::unexpected(disk.error());
  report.add("disk", "fdatasync_p50", "ms", *disk);
  git::Library const library{git::LibraryOptions{scratch->folder()}};
  for (int const files : {100, 10'000})
    DROVER_TRY(measure_tree(*scratch, files, report));
  return {};
}

}  // namespace drover::bench
