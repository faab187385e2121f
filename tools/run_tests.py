#!/usr/bin/env python3
"""Runs the tests that ctest knows, suite by suite, and sums their cases.

A suite is a ctest label. GoogleTest executables report each case through their JSON file; any other
test is one case, or says how many by ending its output with a line like this script's own last one:
`N passed, N failed` or `N passed, N failed, N skipped`. The exit status is 0 only when something ran
and nothing failed.
"""
import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TIMEOUT_S_DEFAULT = 300
TERM_GRACE_S = 5
LEFTOVER_GRACE_S = 0.5
SHOWN_LINES_MAX = 400
# Suites whose tests only compute; the others own a machine-wide thing or measure time.
PARALLEL_SUITES = {"unit", "sim"}
KNOWN_PROPERTIES = {"LABELS", "TIMEOUT", "WORKING_DIRECTORY", "ENVIRONMENT", "RUN_SERIAL",
                    "SKIP_RETURN_CODE", "DISABLED", "COST"}
# A test must not reach the user's own server, or spend their money.
HIDDEN_VARIABLES = ("ANTHROPIC_API_KEY", "DROVER_SERVER", "DROVER_TOKEN", "DROVER_STATE_DIR")
LIVE_GROUPS = set()
CLOSING_LINE = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


@dataclasses.dataclass
class Test:
    name: str
    command: list
    labels: list
    properties: dict


@dataclasses.dataclass
class Outcome:
    passed: int = 0
    skipped: int = 0
    failures: list = dataclasses.field(default_factory=list)  # names of cases, or what went wrong
    seconds: float = 0.0
    log: pathlib.Path = None

    @property
    def ran(self):
        return self.passed + len(self.failures)


def parse_tests(listing):
    """The tests of `ctest --show-only=json-v1`."""
    tests = []
    for entry in listing["tests"]:
        properties = {p["name"]: p["value"] for p in entry.get("properties", [])}
        tests.append(Test(entry["name"], entry.get("command", []),
                          properties.get("LABELS", []), properties))
    return tests


def problems_of(tests, suites):
    """What would make a test run nowhere, twice, or otherwise than its CMakeLists.txt says."""
    problems = []
    for test in tests:
        mine = [label for label in test.labels if label in suites]
        if len(mine) != 1:
            problems.append(f"{test.name}: needs exactly one label of: {' '.join(suites)}; "
                            f"it has: {' '.join(test.labels) or 'none'}")
        for name in sorted(set(test.properties) - KNOWN_PROPERTIES):
            problems.append(f"{test.name}: tools/run_tests.py does not know the property {name}")
    return problems


def outcome_of_gtest(report, status):
    """From the JSON that a GoogleTest executable writes, and how it ended."""
    outcome = Outcome()
    for suite in report.get("testsuites", []):
        for case in suite.get("testsuite", []):
            if case.get("failures"):
                outcome.failures.append(f"{suite['name']}.{case['name']}")
            elif case.get("status") == "NOTRUN" or case.get("result") == "SKIPPED":
                outcome.skipped += 1
            else:
                outcome.passed += 1
    if status != 0 and not outcome.failures:
        outcome.failures.append(f"(every case passed, then it ended with {describe(status)})")
    if outcome.ran + outcome.skipped == 0:
        outcome.failures.append("(it has no test cases)")
    return outcome


def outcome_of_crashed_gtest(log, status):
    """From the text of a GoogleTest executable that ended before it could write its JSON."""
    outcome = Outcome(passed=len(re.findall(r"^\[       OK \] ", log, re.M)),
                      skipped=len(re.findall(r"^\[  SKIPPED \] .*\(\d+ ms\)$", log, re.M)))
    outcome.failures = re.findall(r"^\[  FAILED  \] (\S+?),? .*\(\d+ ms\)$", log, re.M)
    started = re.findall(r"^\[ RUN      \] (\S+)", log, re.M)
    last = started[-1] if started else "(before its first case)"
    outcome.failures.append(f"{last} ({describe(status)})")
    return outcome


def outcome_of_other(log, status, skip_status):
    if skip_status is not None and status == skip_status:
        return Outcome(skipped=1)
    lines = log.rstrip().splitlines()
    match = CLOSING_LINE.match(lines[-1]) if lines else None
    if not match:
        return Outcome(passed=1) if status == 0 else Outcome(failures=[f"({describe(status)})"])
    passed, failed, skipped = (int(group or 0) for group in match.groups())
    outcome = Outcome(passed=passed, skipped=skipped,
                      failures=[f"(case {i + 1} of {failed})" for i in range(failed)])
    if status != 0 and not failed:
        outcome.failures.append(f"({describe(status)})")
    if status == 0 and failed:
        outcome.failures.append("(it reports failures, but ended with status 0)")
    return outcome


def describe(status):
    if status is None:
        return "timed out"
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def wait_or_stop(process, timeout_s):
    """The exit status, or None after a timeout."""
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        signal_group(process.pid, signal.SIGTERM)
    try:
        process.wait(TERM_GRACE_S)
    except subprocess.TimeoutExpired:
        signal_group(process.pid, signal.SIGKILL)
        process.wait()
    return None


def signal_group(group, number):
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass


def members_of_group(group):
    """The names of its processes, without those that only wait to be reaped."""
    names = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().split("(", 1)[1].rsplit(") ", 1)
        except OSError:
            continue  # it ended meanwhile
        state, _, process_group = rest.split()[:3]
        if int(process_group) == group and state not in "ZX":
            names.append(name)
    return names


def left_behind(group):
    """Names of what still runs a moment after the test has ended; kills it."""
    deadline = time.monotonic() + LEFTOVER_GRACE_S
    while names := members_of_group(group):
        if time.monotonic() > deadline:
            signal_group(group, signal.SIGKILL)
            return names
        time.sleep(0.02)
    return []


def stop_everything(number, _frame):
    for group in list(LIVE_GROUPS):
        signal_group(group, signal.SIGKILL)
    print(f"run_tests: stopped by {signal.Signals(number).name}", file=sys.stderr)
    os._exit(128 + number)


def run(test, folder):
    folder.mkdir(parents=True, exist_ok=True)
    log_path = folder / f"{test.name}.log"
    if test.properties.get("DISABLED"):
        return Outcome(skipped=1)
    if not test.command or not shutil.which(test.command[0]):
        return Outcome(failures=["(it was not built)"])
    with tempfile.TemporaryDirectory(prefix="drover-test-") as reports:
        # A test may write it as another user.
        os.chmod(reports, 0o711)
        report_path = pathlib.Path(reports, "report.json")
        report_path.touch()
        report_path.chmod(0o666)
        return run_reporting_to(report_path, test, log_path)


def read_report(path):
    """The JSON, or None when the test wrote none, or ended while it wrote."""
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError:
        return None


def run_reporting_to(report_path, test, log_path):
    environment = {k: v for k, v in os.environ.items() if k not in HIDDEN_VARIABLES}
    environment |= {"GTEST_OUTPUT": f"json:{report_path}", "GTEST_COLOR": "no"}
    environment |= dict(pair.split("=", 1) for pair in test.properties.get("ENVIRONMENT", []))
    started = time.monotonic()
    with open(log_path, "wb") as log:
        process = subprocess.Popen(test.command, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, env=environment,
                                   cwd=test.properties.get("WORKING_DIRECTORY"),
                                   start_new_session=True)
        LIVE_GROUPS.add(process.pid)
        status = wait_or_stop(process, test.properties.get("TIMEOUT", TIMEOUT_S_DEFAULT))
        leftovers = left_behind(process.pid)
        LIVE_GROUPS.discard(process.pid)

    text = log_path.read_text(errors="replace")
    report = read_report(report_path)
    if report is not None:
        outcome = outcome_of_gtest(report, status)
    elif re.search(r"^\[==========\] Running ", text, re.M):
        outcome = outcome_of_crashed_gtest(text, status)
    else:
        outcome = outcome_of_other(text, status, test.properties.get("SKIP_RETURN_CODE"))
    if leftovers:
        outcome.failures.append(f"(left processes behind: {' '.join(leftovers)})")
    outcome.seconds = time.monotonic() - started
    outcome.log = log_path
    return outcome


def worth_showing(lines):
    """Of a GoogleTest log only what belongs to no passed case; another log as it is."""
    if not any(line.startswith("[==========] Running ") for line in lines):
        return lines
    kept, case = [], []
    for line in lines:
        if line.startswith("[ RUN      ] "):
            kept += case
            case = [line]
        elif line.startswith(("[       OK ] ", "[  SKIPPED ] ")):
            case = []
        elif case:
            case.append(line)
            if line.startswith("[  FAILED  ] "):
                kept, case = kept + case, []
        elif line.strip() and not line.startswith("[-----"):
            kept.append(line)
    return kept + case


def report(test, outcome):
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    word = "FAIL" if outcome.failures else "ok"
    print(f"  {word:4} {test.name:32} {outcome.passed} passed, {len(outcome.failures)} failed"
          f"{skipped}  ({outcome.seconds:.1f} s)")
    if outcome.failures and outcome.log:
        lines = worth_showing(outcome.log.read_text(errors="replace").splitlines())
        print(f"       whole log: {outcome.log}")
        if len(lines) > SHOWN_LINES_MAX:
            print(f"       | … {len(lines) - SHOWN_LINES_MAX} lines before these")
        for line in lines[-SHOWN_LINES_MAX:]:
            print(f"       | {line}")
    sys.stdout.flush()


def run_suite(name, tests, jobs, folder):
    started = time.monotonic()
    print(f"{name}:")
    alone = [t for t in tests if name not in PARALLEL_SUITES or t.properties.get("RUN_SERIAL")]
    together = [t for t in tests if t not in alone]
    outcomes = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(run, test, folder): test for test in together}
        for future in concurrent.futures.as_completed(running):
            outcomes[running[future].name] = future.result()
            report(running[future], outcomes[running[future].name])
    for test in alone:
        outcomes[test.name] = run(test, folder)
        report(test, outcomes[test.name])
    print(f"  {name} took {time.monotonic() - started:.1f} s")
    return outcomes


def list_tests(build_dir):
    command = ["ctest", "--test-dir", str(build_dir), "--show-only=json-v1"]
    return parse_tests(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE,
                                                 timeout=60).stdout))


def close(outcomes):
    """Prints what failed and the closing line; the exit status."""
    failures = [f"{name}: {failure}" for name, outcome in outcomes.items()
                for failure in outcome.failures]
    passed = sum(outcome.passed for outcome in outcomes.values())
    skipped = sum(outcome.skipped for outcome in outcomes.values())
    if failures:
        print("failed:")
        for failure in failures:
            print(f"  {failure}")
    print(f"{passed} passed, {len(failures)} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if passed and not failures else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--suites", required=True, help="every suite there may be, in order")
    parser.add_argument("--only", default="", help="one of them; empty for all that have tests")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()

    signal.signal(signal.SIGINT, stop_everything)
    signal.signal(signal.SIGTERM, stop_everything)
    suites = arguments.suites.split()
    tests = list_tests(arguments.build_dir)
    problems = problems_of(tests, suites)
    for problem in problems:
        print(f"run_tests: {problem}", file=sys.stderr)
    if problems:
        return 1

    outcomes = {}
    for suite in [arguments.only] if arguments.only else suites:
        mine = [test for test in tests if suite in test.labels]
        if mine:
            outcomes |= run_suite(suite, mine, arguments.jobs,
                                  arguments.build_dir.resolve() / "test-logs")
        elif arguments.only:
            print(f"run_tests: the suite {suite} has no tests yet", file=sys.stderr)
    return close(outcomes)


if __name__ == "__main__":
    sys.exit(main())
