"""One real Apache Kafka node (KRaft, broker and controller in one JVM) for development and tests, on 127.0.0.1 only.

An acknowledged record survives kill -9 of the JVM (page cache), not a power cut: one node has no replica.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from infra.local.cache import cache_folder, cached
from infra.local.processes import Process, run
from infra.local.requirements import provide_java

POM = Path(__file__).with_name("kafka-pom.xml")
LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")
# Formatting is a short run of a big program: compile little, collect nothing.
SHORT_RUN = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
LONG_RUN = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC")
# Any constant will do: a node formatted with another refuses to start, and ours are never joined.
CLUSTER_ID = "ZmlrcyBiYWNrYm9uZSAwMQ"


@dataclass(frozen=True)
class KafkaNode:
    """A node whose data, configuration and log dirs are in `folder`; its ports may change between starts."""

    folder: Path
    port: int
    controller_port: int

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    async def prepare(self) -> None:
        """Fetch the jars once a machine, write the configuration, format the log dir once."""
        await provide_java()
        await jars()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(configuration(self))
        if not (self.folder / "data" / "meta.properties").exists():
            storage = ("format", "--cluster-id", CLUSTER_ID, "--config", str(self._properties))
            await run(*java(*SHORT_RUN, "kafka.tools.StorageTool", *storage))

    async def ready(self) -> bool:
        """Whether the node answers a metadata request and counts itself in (a fenced broker does not)."""
        try:
            connection = await create_conn("127.0.0.1", self.port, request_timeout_ms=2000)
        except (KafkaError, OSError):
            return False
        try:
            answer = await connection.send(MetadataRequest([]))
        except (KafkaError, OSError):
            return False
        finally:
            connection.close()
        return len(answer.brokers) > 0

    def process(self, name: str = "kafka") -> Process:
        return Process(
            name=name,
            argv=java(*LONG_RUN, "kafka.Kafka", str(self._properties)),
            port=self.port,
            prepare=self.prepare,
            ready=self.ready,
            patience=90,
        )


def configuration(node: KafkaNode) -> str:
    """server.properties of the node."""
    return "".join(
        f"{name}={value}\n"
        for name, value in {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{node.controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": node.folder / "data",
            "auto.create.topics.enable": "false",
            # Records may be stamped long ago, and events are kept for ever; a topic that wants less says so itself.
            "log.retention.ms": -1,
            # A group of one starts at once; a killed node does not wait 9 s for its own old session.
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 1500,
            "broker.heartbeat.interval.ms": 300,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # The default of 128 MiB is a third of this heap.
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }.items()
    )


def jars_folder() -> str:
    """Name in the cache: another pom, another folder."""
    return f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


async def jars() -> Path:
    """The folder `libs` with the node's jars, resolved by Maven (checksums enforced) the first time on a machine."""

    async def resolve(folder: Path) -> None:
        copy = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'libs'}")
        await run("mvn", "--quiet", "--batch-mode", "--strict-checksums", "--file", str(POM), *copy, cwd=folder)

    return await cached(jars_folder(), resolve) / "libs"


def java(*arguments: str) -> tuple[str, ...]:
    return ("java", *LOGGING, "-cp", str(cache_folder() / jars_folder() / "libs" / "*"), *arguments)
