#!/usr/bin/python3
"""The tree about itself: layers, headers, layout, leftovers, and two linters.

    tests/tidy/run.py                      everything
    tests/tidy/run.py layers format        some of it
    tests/tidy/run.py --long clang-tidy    with the analyzer that follows paths, which takes minutes
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

import layers

ROOT = layers.ROOT
FLAGS = ["-std=c11", "-D_GNU_SOURCE", '-DSLUICE_VERSION="0"', "-I.", "-Wall", "-Wextra", "-Werror",
         "-Wshadow", "-Wstrict-prototypes"]
LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP)\b")
TEXT = (".c", ".h", ".py", ".sh", ".mjs", ".md", ".txt", ".json", "run")
THREADS = 2


def files(*endings, under=("core", "protocols", "gateway", "tests", "interop", "docs")):
    """Paths from the root, without what was built or installed."""
    for top in under:
        for folder, folders, names in os.walk(os.path.join(ROOT, top)):
            folders[:] = [f for f in folders if f not in ("node_modules", "__pycache__", "corpus")]
            for name in sorted(names):
                if name.endswith(endings):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def output_of(command):
    """Nothing when the command is content, else what it said."""
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)
    return None if result.returncode == 0 else result.stdout.strip() or f"{command} failed"


def each(command_for, paths):
    """Runs a command per path, a few at once; gives the complaints."""
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return [said for said in pool.map(lambda p: output_of(command_for(p)), paths) if said]


def check_layers(_):
    return layers.check()


def check_headers(_):
    """Every header compiles alone."""
    return each(lambda path: ["gcc", *FLAGS, "-fsyntax-only", "-x", "c", path],
                list(files(".h", under=("core", "protocols", "gateway"))))


def check_format(_):
    said = output_of(["clang-format", "--dry-run", "-Werror",
                      *files(".c", ".h", under=("core", "protocols", "gateway", "tests"))])
    return [said] if said else []


def check_leftovers(_):
    """No note to oneself, no trailing blank, no tab in code; scripts that run are executable."""
    complaints = []
    for path in files(*TEXT):
        full = os.path.join(ROOT, path)
        with open(full, encoding="utf-8") as file:
            text = file.read()
        if text.startswith("#!") and not os.access(full, os.X_OK):
            complaints.append(f"{path}: not executable")
        for number, line in enumerate(text.splitlines(), 1):
            if LEFTOVER.search(line) and path != "tests/tidy/run.py":
                complaints.append(f"{path}:{number}: {line.strip()}")
            if line != line.rstrip() or ("\t" in line and path.endswith((".c", ".h", ".py"))):
                complaints.append(f"{path}:{number}: a trailing blank or a tab")
    return complaints


def check_locks(_):
    """The npm lock file names packages, not the host that they came from."""
    with open(os.path.join(ROOT, "interop/package-lock.json"), encoding="utf-8") as file:
        return [f"interop/package-lock.json:{n}: {line.strip()}"
                for n, line in enumerate(file, 1) if '"resolved"' in line]


def check_clang_tidy(options):
    sources = list(files(".c", under=("core", "protocols", "gateway")))
    step = 6
    scope = [] if options.long else ["--checks=-clang-analyzer-*"]
    groups = [sources[i : i + step] for i in range(0, len(sources), step)]
    return each(lambda group: ["clang-tidy", "--quiet", "-p", options.build, *scope, *group], groups)


def check_cppcheck(_):
    said = output_of(["cppcheck", "--quiet", "--std=c11", "--enable=warning,performance,portability",
                      "--inline-suppr", "--suppressions-list=tests/tidy/cppcheck.supp",
                      "--suppress=missingIncludeSystem", "-I.", "-D_GNU_SOURCE",
                      '-DSLUICE_VERSION="0"', "--error-exitcode=1", f"-j{THREADS}",
                      "core", "protocols", "gateway"])
    return [said] if said else []


CHECKS = {
    "layers": (check_layers, None),
    "headers": (check_headers, "gcc"),
    "format": (check_format, "clang-format"),
    "leftovers": (check_leftovers, None),
    "locks": (check_locks, None),
    "clang-tidy": (check_clang_tidy, "clang-tidy"),
    "cppcheck": (check_cppcheck, "cppcheck"),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/release", help="has compile_commands.json")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("checks", nargs="*", default=list(CHECKS), metavar="CHECK")
    options = parser.parse_args()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name in options.checks:
        check, tool = CHECKS[name]
        if tool and not shutil.which(tool):
            print(f"  skipped tidy {name}: {tool} is not installed")
            counts["skipped"] += 1
            continue
        complaints = check(options)
        counts["failed" if complaints else "passed"] += 1
        print(f"tidy {name}: {'FAILED' if complaints else 'ok'}", flush=True)
        for complaint in complaints:
            print("    " + complaint.replace("\n", "\n    "))
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] else 0


sys.exit(main())
