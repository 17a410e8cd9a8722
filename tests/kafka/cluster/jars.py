"""Java, Kafka's jars and the Python of librdkafka: what is downloaded once and kept in a cache.

The cache is $KAFKA_TEST_HOME, by default ~/.cache/kafka-test. A lock on its directory lets test
runs start side by side.
"""

import contextlib
import ctypes
import fcntl
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from xml.etree import ElementTree

HERE = os.path.dirname(os.path.realpath(__file__))
POM = os.path.join(HERE, "pom.xml")
HOME = os.path.abspath(
    os.environ.get("KAFKA_TEST_HOME") or os.path.expanduser("~/.cache/kafka-test"))
CONFLUENT_KAFKA = "2.16.1"

# The broker that was asked for, where it is not the one of pom.xml.
broker_version = None

PR_SET_PDEATHSIG = 1
# Loaded here, as little should be done between fork and exec.
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

# The second compiler is left out: a test's broker doesn't live long enough to earn it back.
SMALL_JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
             "-Djava.awt.headless=true",
             "-Dlog4j2.configurationFile=" + os.path.join(HERE, "log4j2.xml")]


class Failure(Exception):
    """An error that is told without a stack trace."""


def die_with_parent():
    """Asks Linux to kill this process when the one that started it ends, however it ends.
    Survives exec."""
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(command, doing, **options):
    """Runs a helper program to its end; its output is told only if it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              preexec_fn=die_with_parent, **options)
    except OSError as error:
        raise Failure(f"{doing}: {error}") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-20:])
        raise Failure(f"{doing} failed (exit status {done.returncode}):\n{tail}")
    return done.stdout


@contextlib.contextmanager
def cache_locked():
    os.makedirs(HOME, exist_ok=True)
    handle = os.open(HOME, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@functools.lru_cache(maxsize=None)
def java():
    """(path of java, its build as in 17.0.15+6-Debian-1deb12u1)"""
    home = os.environ.get("JAVA_HOME")
    path = os.path.join(home, "bin", "java") if home else shutil.which("java")
    if not path or not os.access(path, os.X_OK):
        raise Failure("Apache Kafka needs Java 17 or newer, and there is no java"
                      + (f" in JAVA_HOME ({home})" if home else " on PATH"))
    told = run([path, "-version"], "java -version")
    version = re.search(r'version "(\d+)', told)
    if not version or int(version.group(1)) < 17:
        raise Failure(f"Apache Kafka needs Java 17 or newer, and {path} is older")
    build = re.search(r"Runtime Environment.*\(build ([^)]*)\)", told)
    return path, re.sub(r"[^\w.+-]", "_", build.group(1) if build else version.group(1))


def version_of(kind):
    if kind == "broker" and broker_version:
        return broker_version
    name = {"broker": "kafka.version", "tools": "kafka.tools.version"}[kind]
    return ElementTree.parse(POM).getroot().find("{*}properties/{*}" + name).text.strip()


def directory_of(kind):
    return os.path.join(HOME, f"{kind}-{version_of(kind)}")


def class_archive():
    """The broker's classes as the JVM has them in memory: a broker starts with half the work."""
    return f"{directory_of('broker')}-java-{java()[1]}.jsa"


def environment(kind):
    """The environment with the jars as the class path, in the order that the archive knows."""
    path = directory_of(kind)
    jars = ":".join(os.path.join(path, name) for name in sorted(os.listdir(path)))
    return dict(os.environ, CLASSPATH=jars)


def maven():
    found = shutil.which("mvn")
    if not found:
        raise Failure("Apache Kafka is downloaded by Maven, and there is no mvn on PATH")
    return found


def fetch():
    """Downloads the jars that are missing; about 150 MB for both kinds."""
    with cache_locked():
        for kind in ("broker", "tools"):
            target = directory_of(kind)
            if os.path.isdir(target):
                continue
            partial = target + ".partial"
            shutil.rmtree(partial, ignore_errors=True)
            run([maven(), "-q", "-B", "-C", "-f", POM, "-P" + kind,
                 f"-Dkafka.version={version_of('broker')}",
                 "dependency:copy-dependencies", "-DincludeScope=runtime",
                 "-DoutputDirectory=" + partial],
                f"downloading Kafka {version_of(kind)} ({kind}) with Maven")
            os.rename(partial, target)


def librdkafka():
    """The path of a Python with confluent-kafka, which is installed if it is missing."""
    venv = os.path.join(HOME, f"confluent-kafka-{CONFLUENT_KAFKA}")
    with cache_locked():
        if not os.path.isdir(venv):
            # A venv can't be renamed, so the directory is removed where making it fails.
            try:
                run([sys.executable, "-m", "venv", venv], "making a Python environment")
                run([os.path.join(venv, "bin", "pip"), "install", "--quiet",
                     "--only-binary=:all:", f"confluent-kafka=={CONFLUENT_KAFKA}"],
                    "installing confluent-kafka with pip")
            except BaseException:
                shutil.rmtree(venv, ignore_errors=True)
                raise
    return os.path.join(venv, "bin", "python")
