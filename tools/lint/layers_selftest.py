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

    def test_heavy_headers_stay_in_their_folder(self):
        for heavy in ("boost/beast/core.hpp", "boost/asio.hpp", "CLI/CLI.hpp", "sqlite3.h", "git2.h",
                      "curl/curl.h", "gmock/gmock.h", "spdlog/spdlog.h"):
            text = f"#include <{heavy}>\n"
            outside = {"src/os/a.h": text, "src/net/b.cc": '#include "os/a.h"\n'}
            (problem,) = layers.check_heavy(outside)
            self.assertTrue(problem.startswith("src/os/a.h:1:"), problem)
            self.assertIn("src/net/b.cc", problem)
            inside = {"src/os/a.h": text, "src/os/b.cc": '#include "os/a.h"\n', "src/net/c.cc": text}
            self.assertEqual(list(layers.check_heavy(inside)), [])
        light = {"src/os/a.h": "#include <boost/asio/post.hpp>\n",
                 "src/net/b.cc": '#include "os/a.h"\n'}
        self.assertEqual(list(layers.check_heavy(light)), [])

    def test_heavy_headers_are_found_through_other_headers(self):
        texts = {"src/os/a.h": "#include <git2.h>\n", "src/os/b.h": '#include "os/a.h"\n',
                 "src/os/c.h": '#include "os/b.h"\n#include "os/c.h"\n',
                 "src/net/d.cc": '#include "os/c.h"\n'}
        (problem,) = layers.check_heavy(texts)
        self.assertIn("src/net/d.cc includes through src/os/c.h", problem)
        texts["src/net/d.cc"] = '#include "os/other.h"\n'
        self.assertEqual(list(layers.check_heavy(texts)), [])

    def test_a_helper_beside_the_tests_may_be_heavy(self):
        texts = {"tests/a.h": "#include <gmock/gmock.h>\n", "tests/b.cc": '#include "a.h"\n'}
        self.assertEqual(list(layers.check_heavy(texts)), [])
        texts["tests/x/c.cc"] = '#include "tests/a.h"\n'
        self.assertEqual(list(layers.check_heavy(texts)), [])
        texts["bench/d.cc"] = '#include "../tests/a.h"\n'
        self.assertEqual(len(list(layers.check_heavy(texts))), 1)

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
