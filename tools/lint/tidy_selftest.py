"""Which files tidy.py checks, and when it takes a file for clean."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tidy  # noqa: E402


class Tidy(unittest.TestCase):
    def test_tests_are_told_from_the_product(self):
        for name in ("src/os/fd_test.cc", "tests/harness/api.cc", "bench/loop.cc", "fuzz/sse_fuzz.cc"):
            self.assertTrue(tidy.is_test(name), name)
        for name in ("src/os/fd.cc", "src/net/test_server.cc", "src/tests.cc"):
            self.assertFalse(tidy.is_test(name), name)

    def test_the_compile_command_keeps_what_matters(self):
        entry = {"command": "/usr/bin/ccache /usr/bin/clang++-19 -DA=1 -I/x -Xclang -include-pch "
                            "-Xclang p.pch -Xclang -include -Xclang p.hxx -MD -MT a.o -MF a.d -o a.o "
                            "-c /x/a.cc"}
        self.assertEqual(tidy.compiler_arguments(entry), ["/usr/bin/clang++-19", "-DA=1", "-I/x", "/x/a.cc"])

    def test_make_rules_are_read(self):
        self.assertEqual(tidy.parse_make_rule("a.o: a.cc \\\n  b.h c\\ d.h\n"), ["a.cc", "b.h", "c d.h"])

    def test_only_what_has_not_changed_is_clean(self):
        with tempfile.TemporaryDirectory() as folder:
            header = pathlib.Path(folder, "a.h")
            header.write_text("int a;")
            cache = tidy.Cache(pathlib.Path(folder, "cache"))
            self.assertFalse(cache.is_clean("a.cc", "base"))
            cache.remember("a.cc", "base", [str(header)])
            self.assertTrue(cache.is_clean("a.cc", "base"))
            self.assertFalse(cache.is_clean("a.cc", "other"))
            header.write_text("int b;")
            tidy.file_digest.__defaults__[0].clear()
            self.assertFalse(cache.is_clean("a.cc", "base"))


if __name__ == "__main__":
    unittest.main()
