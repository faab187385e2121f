#!/usr/bin/env python3
"""Runs clang-tidy-19 over every source of the compile database, and remembers what was clean.

The key of a clean result is a hash of everything that it depended on: clang-tidy's version and
.clang-tidy, the compile command, and the contents of the source and of every header of the project
that it includes. So a second run reads hashes only, and a changed header costs its includers only.
Headers of installed packages count through their packages' versions.

Tests and benchmarks are left out unless asked for: they are over a third of the time of a first run,
and hold few of the defects that these checks find.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

TIDY = "clang-tidy-19"
FILE_TIMEOUT_S = 600


def digest(*parts):
    state = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def file_digest(path, known={}):  # noqa: B006: the default is the memory of this process
    if path not in known:
        try:
            known[path] = digest(pathlib.Path(path).read_bytes())
        except FileNotFoundError:
            known[path] = "missing"
    return known[path]


class Cache:
    """One small file for each source: {"base", "headers": {path: digest}} of its last clean run."""

    def __init__(self, folder):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, source):
        return self._folder / (digest(source)[:32] + ".json")

    def is_clean(self, source, base):
        try:
            entry = json.loads(self._path(source).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return False
        return entry["base"] == base and all(
            file_digest(path) == wanted for path, wanted in entry["files"].items())

    def remember(self, source, base, files):
        entry = {"base": base, "files": {path: file_digest(path) for path in files}}
        partial = self._path(source).with_suffix(".partial")
        partial.write_text(json.dumps(entry))
        partial.replace(self._path(source))


def compiler_arguments(entry):
    """The compile command without the launcher, the output and the object's own options, and
    without the precompiled header: a file must include what it uses."""
    words = entry["arguments"] if "arguments" in entry else shlex.split(entry["command"])
    while words and "clang" not in os.path.basename(words[0]):
        words = words[1:]
    kept, skip = [], 0
    for at, word in enumerate(words):
        if skip:
            skip -= 1
        elif word in ("-o", "-MF", "-MT", "-MQ"):
            skip = 1
        elif word == "-Xclang" and words[at + 1] in ("-include-pch", "-include"):
            skip = 3
        elif word not in ("-c", "-MD", "-MMD"):
            kept.append(word)
    return kept


def parse_make_rule(text):
    """The prerequisites of `x.o: a b \\\n c`."""
    _, _, files = text.replace("\\\n", " ").partition(":")
    return [name.replace("\0", " ") for name in files.replace("\\ ", "\0").split()]


def project_files_of(entry, root):
    """The source and the project's headers that it includes."""
    found = subprocess.run([*compiler_arguments(entry), "-MM"], cwd=entry["directory"], check=True,
                           stdout=subprocess.PIPE, text=True, timeout=FILE_TIMEOUT_S).stdout
    paths = [os.path.realpath(os.path.join(entry["directory"], f)) for f in parse_make_rule(found)]
    return [path for path in paths if path.startswith(str(root) + os.sep)]


def toolchain_digest(root):
    version = subprocess.run([TIDY, "--version"], check=True, stdout=subprocess.PIPE).stdout
    packages = subprocess.run(["dpkg-query", "-W", "-f=${Package} ${Version}\n", "lib*-dev", "clang*"],
                              check=True, stdout=subprocess.PIPE).stdout
    return digest(version, packages, (root / ".clang-tidy").read_bytes())


def tidy_one(entry, base, root, cache):
    """What is wrong with one source, as clang-tidy prints it, or None."""
    source = entry["file"]
    try:
        # Before the run, so that a file that changes meanwhile is checked again the next time.
        files = project_files_of(entry, root)
        for path in files:
            file_digest(path)
        arguments = [word for word in compiler_arguments(entry)[1:] if word != source]
        done = subprocess.run([TIDY, "--quiet", source, "--", *arguments], text=True,
                              cwd=entry["directory"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=FILE_TIMEOUT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        cache.remember(source, base, files)
        return None
    return done.stdout + ("" if done.stdout.strip() else done.stderr)


def is_test(name):
    """Of a path from the root."""
    return name.endswith("_test.cc") or name.split("/")[0] in ("tests", "bench", "sim", "fuzz")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--tests", action="store_true", help="tests and benchmarks too")
    arguments = parser.parse_args()

    root = pathlib.Path.cwd().resolve()
    cache = Cache(arguments.cache)
    toolchain = toolchain_digest(root)
    generated = str(arguments.build_dir.resolve()) + os.sep
    work, total = [], 0
    for entry in json.loads((arguments.build_dir / "compile_commands.json").read_text()):
        name = os.path.relpath(entry["file"], root)
        if entry["file"].startswith(generated) or (is_test(name) and not arguments.tests):
            continue
        total += 1
        base = digest(toolchain, *compiler_arguments(entry))
        if not cache.is_clean(entry["file"], base):
            work.append((entry, base))
    # The largest first, so that no core waits for one long file at the end.
    work.sort(key=lambda item: -os.path.getsize(item[0]["file"]))

    print(f"tidy: {len(work)} of {total} files changed since they were last clean")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        def timed(item):
            started = time.monotonic()
            said = tidy_one(*item, root, cache)
            return item[0]["file"], said, time.monotonic() - started
        running = [pool.submit(timed, item) for item in work]
        for future in concurrent.futures.as_completed(running):
            source, said, seconds = future.result()
            name = os.path.relpath(source, root)
            print(f"tidy: {name} {'FAILED' if said else 'ok'} ({seconds:.1f} s)", flush=True)
            if said:
                failed += 1
                print(said, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
