"""What layers.py lets pass, and what it tells."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import layers  # noqa: E402

ORDER = ["base", "os", "net"]


def include_problems(name, text):
    return list(layers.check_includes(name, text, ORDER))


class Layers(unittest.TestCase):
    def test_the_order_comes_from_cmake(self):
        self.assertEqual(layers.layers_of("x\nset(DROVER_LAYERS\n  base os\n net)\n"), ORDER)
        with self.assertRaises(ValueError):
            layers.layers_of("set(OTHER a)")

    def test_downward_includes_pass(self):
        text = '#include "os/fd.h"\n# include "base/id.h"\n#include <net/if.h>\n'
        self.assertEqual(include_problems("src/os/a.cc", text), [])
        self.assertEqual(include_problems("tests/a.cc", '#include "net/x.h"\n#include "a.h"\n'), [])

    def test_upward_includes_are_told_with_their_line(self):
        (problem,) = include_problems("src/os/a.cc", '\n#include "net/sse.h"\n')
        self.assertTrue(problem.startswith("src/os/a.cc:2:"), problem)

    def test_includes_that_are_not_from_src_are_told(self):
        self.assertEqual(len(include_problems("src/os/a.cc", '#include "fd.h"\n')), 1)
        self.assertEqual(len(include_problems("src/os/a.cc", '#include "../base/id.h"\n')), 1)

    def test_an_unknown_folder_is_told(self):
        self.assertEqual(len(include_problems("src/extra/a.cc", "")), 1)

    def test_heavy_headers_only_in_sources(self):
        for heavy in ("boost/beast/core.hpp", "boost/asio.hpp", "CLI/CLI.hpp", "sqlite3.h", "git2.h",
                      "curl/curl.h", "gmock/gmock.h", "spdlog/spdlog.h"):
            text = f"#include <{heavy}>\n"
            self.assertEqual(len(include_problems("src/os/a.h", text)), 1, heavy)
            self.assertEqual(include_problems("src/os/a.cc", text), [])
        self.assertEqual(include_problems("src/os/a.h", "#include <boost/asio/post.hpp>\n"), [])

    def test_sources_must_be_named(self):
        cmake = {"src/os": "drover_layer_test(os SOURCES a_test.cc sub/b.cc)\n# c.cc\n"}
        for name, problems in [("src/os/a_test.cc", 0), ("src/os/sub/b.cc", 0), ("src/os/c.cc", 1),
                               ("src/os/test.cc", 1), ("src/net/a_test.cc", 1)]:
            self.assertEqual(len(list(layers.check_named(name, cmake))), problems, name)

    def test_readmes_exist_and_are_short(self):
        self.assertEqual(list(layers.check_readme("src/os", "x\n" * 40)), [])
        self.assertEqual(len(list(layers.check_readme("src/os", "x\n" * 41))), 1)
        self.assertEqual(len(list(layers.check_readme("src/os", None))), 1)


if __name__ == "__main__":
    unittest.main()
