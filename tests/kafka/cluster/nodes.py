"""A cluster of Kafka nodes: its processes, its ports, its directory."""

import base64
import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

import jars
import settings
from jars import Failure

BROKER_JVM = ["-Xms64m", "-Xmx400m", "-XX:+ExitOnOutOfMemoryError", "-Dlog.level=INFO"]
READY = "Kafka Server started"
FIXTURES = os.path.join(jars.HERE, "..", "..", "fixtures", "tls")


class Cluster:
    """A cluster that lives no longer than this process."""

    def __init__(self, count, extra, jvm=()):
        self.count, self.jvm, self.processes = count, jvm, {}
        self.reserved, self.base = reserve_ports()
        self.path = tempfile.mkdtemp(prefix="kafka-test-")
        tls = self.copy_certificates()
        for node in self.nodes():
            os.makedirs(self.at(node, "tmp"))
            values = settings.node_settings(node, count, self.base, self.at(node, "data"), tls)
            with open(self.at(node, "server.properties"), "w") as file:
                file.writelines(f"{key}={value}\n" for key, value in {**values, **extra}.items())

    def copy_certificates(self):
        """Copies, which a test may replace: who vouches for clients, and the brokers' certificate
        with its key, in one file as Kafka wants them."""
        tls = os.path.join(self.path, "tls")
        os.makedirs(tls)
        for name, parts in {"trusted": ["ca"], "server": ["p256-key", "server"]}.items():
            with open(os.path.join(tls, name + ".pem"), "w") as copy:
                for part in parts:
                    with open(os.path.join(FIXTURES, part + ".pem")) as file:
                        copy.write(file.read())
        return tls

    def nodes(self):
        return range(1, self.count + 1)

    def at(self, node, *parts):
        return os.path.join(self.path, f"node-{node}", *parts)

    def describe(self):
        return {**{f"{name.lower()}_bootstrap": settings.bootstrap(self.base, self.count, name)
                   for name in settings.FOR_CLIENTS},
                "directory": self.path}

    def up(self):
        self.format()
        offsets = {node: self.launch(node) for node in self.nodes()}
        for node, offset in offsets.items():
            self.wait_ready(node, offset)

    def format(self):
        """Formats node 1 and gives the others a copy under their own ids: formatting each by
        itself would cost a JVM a node."""
        jars.run([*self.java(1), "-Xmx128m", "kafka.tools.StorageTool", "format", "-t", new_id(),
                  "-c", self.at(1, "server.properties"), *settings.scram_users()],
                 "formatting the storage", env=jars.environment("broker"))
        for node in self.nodes()[1:]:
            shutil.copytree(self.at(1, "data"), self.at(node, "data"))
            with open(self.at(node, "data", "meta.properties"), "r+") as file:
                meta = re.sub(r"(?m)^node\.id=.*$", f"node.id={node}", file.read())
                meta = re.sub(r"(?m)^directory\.id=.*$", f"directory.id={new_id()}", meta)
                file.seek(0)
                file.truncate()
                file.write(meta)

    def java(self, node):
        archive = jars.class_archive()
        return [jars.java()[0], *jars.SMALL_JVM, f"-Djava.io.tmpdir={self.at(node, 'tmp')}",
                *([f"-XX:SharedArchiveFile={archive}"] if os.path.exists(archive) else [])]

    def launch(self, node):
        """Starts a node's process, and tells where its log begins."""
        with open(self.at(node, "broker.log"), "ab") as log:
            # A session of its own: a Ctrl-C at the terminal is for this process to handle.
            self.processes[node] = subprocess.Popen(
                [*self.java(node), *BROKER_JVM, *self.jvm,
                 "kafka.Kafka", self.at(node, "server.properties")],
                cwd=self.at(node), env=jars.environment("broker"), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, preexec_fn=jars.die_with_parent)
            return log.tell()

    def wait_ready(self, node, offset, seconds=90):
        """A node says that it has started once the controller lets it serve clients."""
        until = time.monotonic() + seconds
        while True:
            with open(self.at(node, "broker.log"), errors="replace") as log:
                log.seek(offset)
                text = log.read()
            if READY in text:
                return
            ended = self.processes[node].poll() is not None
            if ended or time.monotonic() > until:
                what = "ended while starting" if ended else f"was not ready in {seconds} s"
                tail = "\n".join(text.splitlines()[-25:])
                raise Failure(f"node {node} {what}; the end of its log:\n{tail}")
            time.sleep(0.05)

    def running(self, node):
        process = self.processes.get(node)
        if process is None:
            raise Failure(f"there is no node {node}")
        return process if process.poll() is None else None

    def start(self, node):
        if self.running(node):
            raise Failure(f"node {node} is running")
        self.wait_ready(node, self.launch(node))

    def signal(self, node, number, until_gone=False):
        process = self.running(node)
        if not process:
            raise Failure(f"node {node} is not running")
        process.send_signal(number)
        if until_gone:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
                return
            raise Failure(f"node {node} still runs a minute after signal {number}")

    def kill(self, node):
        self.signal(node, signal.SIGKILL, until_gone=True)

    def stop(self, node):
        self.signal(node, signal.SIGTERM, until_gone=True)

    def pause(self, node):
        self.signal(node, signal.SIGSTOP)

    def resume(self, node):
        self.signal(node, signal.SIGCONT)

    def down(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        shutil.rmtree(self.path, ignore_errors=True)
        self.reserved.close()


def reserve_ports():
    """A block of ports below those that systems give to outgoing connections, so that a node
    finds its own again after a restart. The block's last port is held as long as the cluster
    lives: that is what keeps clusters of other processes away."""
    size = 3 * settings.BLOCK
    bases = list(range(20000, 32000, size))
    random.shuffle(bases)
    for base in bases:
        held = bind(base + size - 1)
        if not held:
            continue
        probes = [bind(base + offset) for offset in range(size - 1)]
        for probe in filter(None, probes):
            probe.close()
        if all(probes):
            return held, base
        held.close()
    raise Failure(f"no block of {size} free ports between 20000 and 32000")


def bind(port):
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", port))
        return probe
    except OSError:
        probe.close()
        return None


def new_id():
    # Kafka's ids must not begin with a dash: the first byte makes this one begin with an A.
    return base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).decode().rstrip("=")


def make_class_archive():
    """Lets a throw-away broker write its classes down."""
    target = jars.class_archive()
    with jars.cache_locked():
        if os.path.exists(target):
            return
        partial = target + ".partial"
        cluster = Cluster(1, {}, [f"-XX:ArchiveClassesAtExit={partial}"])
        try:
            cluster.up()
            cluster.stop(1)
            if os.path.exists(partial):
                os.rename(partial, target)
        finally:
            cluster.down()
