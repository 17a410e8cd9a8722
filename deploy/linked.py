"""What is linked into the released program."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"]


def cargo(*arguments):
    return subprocess.check_output(["cargo", *arguments, "--locked"], cwd=ROOT, text=True)


def linked():
    """The packages that are linked into the program for any of the targets.

    Macros and build scripts write code, and are not part of it. What is linked is asked of
    `cargo tree`: `cargo metadata` also has what no chosen feature brings in.
    """
    tree = ["tree", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
    lines = [line for target in TARGETS for line in cargo(*tree, "--target", target).splitlines()]
    names = {tuple(line.split()[:2]) for line in lines}
    packages = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    # Those without a source are this one.
    found = [
        package
        for package in packages
        if (package["name"], f"v{package['version']}") in names and package["source"]
    ]
    return sorted(found, key=lambda package: (package["name"], package["version"]))
