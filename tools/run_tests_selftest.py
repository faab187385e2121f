"""The runner's sums, on the outputs that tests really give."""
import contextlib
import io
import pathlib
import signal
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import run_tests  # noqa: E402


def shell_test(script, **properties):
    return run_tests.Test("t", ["/bin/sh", "-c", script], ["unit"], properties)


def run_script(script, **properties):
    with tempfile.TemporaryDirectory() as folder:
        return run_tests.run(shell_test(script, **properties), pathlib.Path(folder))


def case(name, **members):
    return {"name": name, "status": "RUN", "result": "COMPLETED"} | members


class Counting(unittest.TestCase):
    def test_cases_of_a_gtest_report_are_summed(self):
        report = {"testsuites": [{"name": "A", "testsuite": [
            case("good"), case("bad", failures=[{"failure": "x"}]), case("later", result="SKIPPED"),
            case("DISABLED_never", status="NOTRUN", result="SUPPRESSED")]}]}
        outcome = run_tests.outcome_of_gtest(report, 1)
        self.assertEqual((outcome.passed, outcome.failures, outcome.skipped), (1, ["A.bad"], 2))

    def test_a_bad_end_after_good_cases_is_a_failure(self):
        report = {"testsuites": [{"name": "A", "testsuite": [case("good")]}]}
        self.assertEqual(len(run_tests.outcome_of_gtest(report, 1).failures), 1)

    def test_an_executable_without_cases_is_a_failure(self):
        self.assertEqual(len(run_tests.outcome_of_gtest({"testsuites": []}, 0).failures), 1)

    def test_a_crash_names_the_case_that_ran(self):
        log = ("[==========] Running 3 tests\n[ RUN      ] A.one\n[       OK ] A.one (0 ms)\n"
               "[ RUN      ] A.two\n[  FAILED  ] A.two (1 ms)\n[ RUN      ] A.three\n")
        outcome = run_tests.outcome_of_crashed_gtest(log, -signal.SIGSEGV)
        self.assertEqual(outcome.passed, 1)
        self.assertEqual(outcome.failures, ["A.two", "A.three (killed by SIGSEGV)"])

    def test_only_what_passed_is_left_out_of_a_shown_log(self):
        log = ["[==========] Running 3 tests", "[ RUN      ] A.one", "noise",
               "[       OK ] A.one (0 ms)", "[ RUN      ] A.two", "a.cc:1: Failure",
               "[  FAILED  ] A.two (1 ms)", "[ RUN      ] A.three", "AddressSanitizer: …"]
        self.assertEqual(run_tests.worth_showing(log), [log[0]] + log[4:])
        self.assertEqual(run_tests.worth_showing(["x", "", "y"]), ["x", "", "y"])

    def test_other_tests_count_once_or_say_how_many(self):
        self.assertEqual(run_script("exit 0").ran, 1)
        self.assertEqual(len(run_script("exit 3").failures), 1)
        self.assertEqual(run_script("exit 9", SKIP_RETURN_CODE=9).skipped, 1)
        outcome = run_script("echo 4 passed, 2 failed, 1 skipped; exit 1")
        self.assertEqual((outcome.passed, len(outcome.failures), outcome.skipped), (4, 2, 1))
        self.assertTrue(run_script("echo 4 passed, 1 failed").failures)
        self.assertTrue(run_script("echo 4 passed, 0 failed; exit 1").failures)

    def test_the_closing_line_and_the_status(self):
        for outcomes, line, status in [
                ({"a": run_tests.Outcome(passed=2), "b": run_tests.Outcome(passed=1, skipped=3)},
                 "3 passed, 0 failed, 3 skipped", 0),
                ({"a": run_tests.Outcome(passed=2, failures=["x"])}, "2 passed, 1 failed", 1),
                ({}, "0 passed, 0 failed", 1),
                ({"a": run_tests.Outcome(skipped=1)}, "0 passed, 0 failed, 1 skipped", 1)]:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                self.assertEqual(run_tests.close(outcomes), status)
            self.assertEqual(printed.getvalue().splitlines()[-1], line)


class Running(unittest.TestCase):
    def test_a_hanging_test_ends_with_all_it_started(self):
        with tempfile.TemporaryDirectory() as folder:
            mark = pathlib.Path(folder, "still-here")
            outcome = run_tests.run(
                shell_test(f"(sleep 1; touch {mark}) & sleep 60", TIMEOUT=0.2), pathlib.Path(folder))
            self.assertEqual(outcome.failures[0], "(timed out)")
            time.sleep(1.2)
            self.assertFalse(mark.exists())

    def test_what_a_test_leaves_behind_is_told_and_killed(self):
        started = time.monotonic()
        outcome = run_script("sleep 60 & exit 0")
        self.assertEqual(outcome.failures, ["(left processes behind: sleep)"])
        self.assertLess(time.monotonic() - started, 30)

    def test_keys_are_hidden_and_the_environment_property_holds(self):
        script = '[ -z "$ANTHROPIC_API_KEY$DROVER_SERVER" ] && [ "$A" = b=c ]'
        run_tests.os.environ["DROVER_SERVER"] = "http://127.0.0.1:1"
        try:
            self.assertEqual(run_script(script, ENVIRONMENT=["A=b=c"]).failures, [])
        finally:
            del run_tests.os.environ["DROVER_SERVER"]

    def test_what_is_not_built_fails(self):
        test = run_tests.Test("t", ["/nonexistent/t"], ["unit"], {})
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(len(run_tests.run(test, pathlib.Path(folder)).failures), 1)


class Listing(unittest.TestCase):
    def test_a_test_without_a_suite_or_with_an_unknown_property_is_told(self):
        tests = run_tests.parse_tests({"tests": [
            {"name": "good", "command": ["x"], "properties": [{"name": "LABELS", "value": ["unit"]}]},
            {"name": "lost", "command": ["x"], "properties": [{"name": "DEPENDS", "value": ["y"]}]}]})
        problems = run_tests.problems_of(tests, ["unit", "sim"])
        self.assertEqual([p.split(":")[0] for p in problems], ["lost", "lost"])


if __name__ == "__main__":
    unittest.main()
