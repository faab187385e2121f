#!/usr/bin/env python3
"""Holds src/ to its layout:

- a folder includes only itself and folders before it in DROVER_LAYERS (CMakeLists.txt);
- a folder that has code has a README.md of at most 40 lines;
- every .cc is named in a CMakeLists.txt, so that no test and no code is silently left out;
- heavy library headers stay out of our headers, where every includer would pay for them; only a
  header that nothing outside its folder reaches, over any number of includes, may have one.

Reads file names from stdin, NUL-separated, relative to the project's root (the working directory).
"""
import collections
import pathlib
import posixpath
import re
import sys

README_LINES_MAX = 40
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
HEAVY = re.compile(r"^(boost/beast|boost/asio\.hpp|spdlog/|CLI/|gmock/|sqlite3\.h|git2\.h|git2/|curl/)")


def layers_of(cmake_text):
    """The names in set(DROVER_LAYERS ...), ground floor first."""
    match = re.search(r"set\(DROVER_LAYERS\s+([^)]*)\)", cmake_text)
    if not match:
        raise ValueError("CMakeLists.txt has no set(DROVER_LAYERS ...)")
    return match[1].split()


def includes_of(text):
    """(line, opening mark, path) of each."""
    return [(text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in INCLUDE.finditer(text)]


def check_includes(name, text, layers):
    """Of one file; `name` is its path from the root."""
    parts = pathlib.PurePosixPath(name).parts
    own = parts[1] if parts[0] == "src" and len(parts) > 2 else None
    if own and own not in layers:
        yield f"{name}: the folder src/{own} is not in DROVER_LAYERS of CMakeLists.txt"
        return
    for line, mark, path in includes_of(text):
        target = path.split("/")[0]
        if mark == "<" or not own:
            continue
        if target not in layers or "/" not in path:
            yield f'{name}:{line}: "{path}" is not a path from src/, as in "base/error.h"'
        elif layers.index(target) > layers.index(own):
            yield (f"{name}:{line}: {own} includes {path}, but {target} stands above it "
                   "in DROVER_LAYERS of CMakeLists.txt")


def reached_from(includes):
    """For each header the files that include it, directly or not: {header: {file: through}}, where
    `through` is what the file itself includes. `includes` is {file: [what it includes]}."""
    includers = collections.defaultdict(list)
    for name, targets in includes.items():
        for target in targets:
            includers[target].append(name)
    reached = {}
    for header in list(includers):
        through, waiting = {}, [header]
        while waiting:
            target = waiting.pop()
            for name in includers.get(target, ()):
                if name not in through:
                    through[name] = target
                    waiting.append(name)
        reached[header] = through
    return reached


def places_of(name, path):
    """The files that `#include "path"` in `name` may mean: from src/, beside it, or from the root."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    return {f"src/{path}", beside, path}


def domain_of(name):
    """src/git of src/git/x/y.h, tests of tests/x/y.h."""
    parts = pathlib.PurePosixPath(name).parts
    return parts[:2] if parts[0] == "src" else parts[:1]


def check_heavy(texts):
    """That no heavy library header is in a header which another folder's file reaches. `texts` is by
    file name, from the root."""
    found = {name: includes_of(text) for name, text in texts.items()}
    includes = {name: [file for _, mark, path in lines if mark == '"'
                       for file in places_of(name, path) if file in texts]
                for name, lines in found.items()}
    reached = reached_from(includes)
    for name in sorted(texts):
        if not name.endswith(".h"):
            continue
        outside = sorted(user for user in reached.get(name, ()) if domain_of(user) != domain_of(name))
        if not outside:
            continue
        for line, _, path in found[name]:
            if HEAVY.match(path):
                through = reached[name][outside[0]]
                way = "" if through == name else f" through {through}"
                yield (f"{name}:{line}: <{path}> is too heavy for a header that {outside[0]} "
                       f"includes{way}; include it in the .cc")


def words_of_cmake(text):
    return set(re.findall(r"[\w./+-]+", re.sub(r"#[^\n]*", "", text)))


def check_named(name, cmake_texts):
    """That a CMakeLists.txt of the file's folder or one above names it. `cmake_texts` is by folder."""
    path = pathlib.PurePosixPath(name)
    for folder in path.parents:
        text = cmake_texts.get(str(folder))
        if text is not None and str(path.relative_to(folder)) in words_of_cmake(text):
            return
    yield f"{name}: no CMakeLists.txt names it, so it is never built"


def check_readme(folder, text):
    if text is None:
        yield f"{folder}: has no README.md (what it is for, its API, what it may include)"
    elif text.count("\n") > README_LINES_MAX:
        yield f"{folder}/README.md: {text.count(chr(10))} lines; at most {README_LINES_MAX}"


def read_or_none(path):
    return path.read_text() if path.exists() else None


def check_all(names):
    layers = layers_of(pathlib.Path("CMakeLists.txt").read_text())
    folders = sorted({str(folder) for name in names for folder in pathlib.PurePosixPath(name).parents})
    cmake_texts = {folder: text for folder in folders
                   if (text := read_or_none(pathlib.Path(folder, "CMakeLists.txt"))) is not None}
    texts = {name: pathlib.Path(name).read_text() for name in names}
    yield from check_heavy(texts)
    for name in names:
        yield from check_includes(name, texts[name], layers)
        if name.endswith(".cc"):
            yield from check_named(name, cmake_texts)
    for folder in folders:
        if re.fullmatch(r"src/[^/]+", folder):
            yield from check_readme(folder, read_or_none(pathlib.Path(folder, "README.md")))


def main():
    names = sorted(filter(None, sys.stdin.read().split("\0")))
    problems = collections.Counter(check_all(names))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
