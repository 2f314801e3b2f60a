"""One real Apache Kafka node (KRaft, broker and controller in one JVM) for development and tests, on 127.0.0.1 only.

An acknowledged record survives kill -9 of the JVM (page cache), not a power cut: one node has no replica.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from infra.local import kafka_jars
from infra.local.ports import Ports
from infra.local.processes import Process, Running, run
from infra.local.requirements import provide_java

JVM = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)
# A short run of a big program: compile little.
SHORT_RUN = "-XX:TieredStopAtLevel=1"
# Any constant will do: a node formatted with another refuses to start, and ours are never joined.
CLUSTER_ID = "ZmlrcyBiYWNrYm9uZSAwMQ"


@dataclass(frozen=True)
class KafkaNode:
    """A node whose data, configuration and log dirs are in `folder`; its ports may change between starts."""

    folder: Path
    port: int
    controller_port: int
    options: tuple[str, ...] = ()
    """Of its JVM, more than all nodes have."""

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _options(self) -> Path:
        """Options of the JVM, which are known only when the machine has been prepared."""
        return self.folder / "jvm.options"

    async def prepare(self) -> None:
        """Fetch the jars, archive the classes and format a log dir once a machine; configure; copy the log dir once."""
        java = await provide_java()
        archive = await kafka_jars.classes(java, _train)
        await self._lay_out(f"-XX:SharedArchiveFile={archive}")

    async def _lay_out(self, *options: str) -> None:
        await self._configure(*options)
        data, unfinished = self.folder / "data", self.folder / "data.unfinished"
        if not data.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(await kafka_jars.formatted(CLUSTER_ID, _format), unfinished)
            unfinished.rename(data)

    async def _configure(self, *options: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(configuration(self))
        class_path = f"--class-path={await kafka_jars.jars()}/*"
        self._options.write_text("".join(f'"{one}"\n' for one in (*JVM, *self.options, class_path, *options)))

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
            argv=("java", f"@{self._options}", "kafka.Kafka", str(self._properties)),
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


async def _format(folder: Path) -> None:
    """Format the log dir of a node, which is the same for any other: all are the first of the same cluster."""
    with Ports() as ports:
        node = KafkaNode(folder, ports.take(), ports.take())
    await node._configure()
    storage = ("format", "--cluster-id", CLUSTER_ID, "--config", str(node._properties))
    await run("java", f"@{node._options}", SHORT_RUN, "kafka.tools.StorageTool", *storage)


async def _train(archive: Path) -> None:
    """Run a node once, so that the JVM writes down the classes it loaded."""
    with tempfile.TemporaryDirectory() as folder, Ports() as ports:
        node = KafkaNode(Path(folder), ports.take(), ports.take())
        await node._lay_out()
        options = node._options.read_text()
        node._options.write_text(f'{options}"-XX:ArchiveClassesAtExit={archive}"\n')
        running = Running(node.process(), Path(folder) / "log")
        try:
            await running.wait_until_healthy()
            await running.stop(grace=90)
        finally:
            if running.exit_code is None:
                await running.kill()
