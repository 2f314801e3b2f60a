"""The system that a chaos run hurts: real servers and the product's own processes, each killed and started at will."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientError, ClientSession

from infra.local.processes import Process, Running
from infra.settings import Settings
from tests.support.network import Link
from tests.support.ports import free_port
from tests.support.stack import OwnKafka, OwnPostgres, temporary_folder

ROOT = Path(__file__).resolve().parents[2]
FIKS = ("-m", "gateway.cli")
"""What Python is given to run ``fiks``."""


@dataclass(slots=True)
class Node:
    """A process of the product that is killed, stopped and started again under the same name and port."""

    process: Process
    log: Path
    running: Running | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.process.name

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.running is not None and self.running.exit_code is None

    def start(self) -> None:
        """Start it, without waiting until it is healthy."""
        if not self.alive:
            self.running = Running(self.process, self.log)

    async def ready(self) -> None:
        """Wait until it is healthy."""
        assert self.running
        await self.running.wait_until_healthy()

    async def kill(self) -> None:
        """SIGKILL."""
        if self.alive and self.running:
            await self.running.kill()

    async def stop(self) -> None:
        """SIGTERM, and wait."""
        if self.alive and self.running:
            await self.running.stop()

    def pause(self) -> None:
        """SIGSTOP."""
        if self.alive and self.running:
            self.running.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self.alive and self.running:
            self.running.send(signal.SIGCONT)


@dataclass(slots=True)
class System:
    """Everything that runs."""

    kafka: OwnKafka
    postgres: OwnPostgres
    folder: Path
    environment: dict[str, str]
    gateways: list[Node] = field(default_factory=list)
    workers: list[Node] = field(default_factory=list)
    amqp_ports: list[int] = field(default_factory=list)
    """Where each gateway serves AMQP."""
    links: dict[str, tuple[Link, Link]] = field(default_factory=dict)
    """By which some of its processes, by name, come to Kafka and to PostgreSQL."""

    def urls(self) -> list[str]:
        """Where the gateways listen."""
        return [f"http://127.0.0.1:{one.process.port}" for one in self.gateways]

    def node(
        self,
        name: str,
        *command: str,
        program: tuple[str, ...] = FIKS,
        port: int | None = None,
        path: str | None = None,
        **settings: object,
    ) -> Node:
        """A process of the product: ``fiks COMMAND``, or the ``program`` that stands for it."""
        environment = self.environment | ({"FIKS_GATEWAY_PORT": str(port)} if port else {})
        if name in self.links:
            to_kafka, to_postgres = self.links[name]
            settings |= {"kafka": f"127.0.0.1:{to_kafka.port}", "postgres": self.postgres.over(to_postgres)}
        environment |= {f"FIKS_{setting.upper()}": str(value) for setting, value in settings.items()}

        async def ready() -> bool:
            try:
                async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
                    return answer.status == 200
            except ClientError:
                return False

        argv = (sys.executable, *program, *command)
        process = Process(name, argv, env=environment, port=port, ready=ready if path else None, cwd=ROOT, patience=120)
        return Node(process, self.folder / f"{name}.log")

    async def step(self, *command: str) -> None:
        """Run ``fiks COMMAND`` to its end."""
        argv = (sys.executable, *FIKS, *command)
        log = self.folder / "steps.log"
        running = Running(Process(command[0], argv, env=self.environment, step=True, cwd=ROOT), log)
        if await running.exited() != 0:
            raise RuntimeError(f"fiks {' '.join(command)} failed:\n{log.read_text()[-2000:]}")


@asynccontextmanager
async def system(
    gateways: int,
    workers: int,
    *,
    measured: bool = False,
    program: tuple[str, ...] = FIKS,
    linked: Sequence[str] = (),
) -> AsyncIterator[System]:
    """Start everything; stop everything. Where it is `measured`, its Kafka is as `fiks up` starts it. Its gateways are
    run by the ``program``. The processes that are ``linked`` come to the servers over links.
    """
    with temporary_folder() as folder:
        to_kafka = [Link(free_port()) for _ in linked]
        kafka, postgres = OwnKafka(folder, measured=measured, links=to_kafka), OwnPostgres(folder)
        to_postgres = [Link(postgres.port) for _ in linked]
        issuer_port = free_port()
        environment = dict(os.environ) | {
            "FIKS_STATE": str(folder / "state"),
            "FIKS_KAFKA": kafka.bootstrap,
            "FIKS_POSTGRES": postgres.dsn,
            "FIKS_ISSUER": f"http://127.0.0.1:{issuer_port}/",
            "FIKS_IDPORTEN_ISSUER": f"http://127.0.0.1:{issuer_port}/idporten",
            "FIKS_ISSUER_PORT": str(issuer_port),
            "FIKS_TEST_MODE": "true",
            "FIKS_LOG_LEVEL": "WARNING",
        }
        (folder / "state").mkdir()
        links = dict(zip(linked, zip(to_kafka, to_postgres, strict=True), strict=True))
        made = System(kafka, postgres, folder, environment, links=links)
        issuer = made.node("issuer", "issuer", port=issuer_port, path="/.well-known/oauth-authorization-server")
        made.amqp_ports = [free_port() for _ in range(gateways)]
        made.gateways = [
            made.node(f"gateway-{number}", "gateway", program=program, port=free_port(), path="/readyz", amqp_port=amqp)
            for number, amqp in enumerate(made.amqp_ports, 1)
        ]
        made.workers = [made.node(f"worker-{number}", "worker") for number in range(1, workers + 1)]
        try:
            for link in (*to_kafka, *to_postgres):
                await link.open()
            await kafka.start()
            await postgres.start()
            for command in (("topics", "apply"), ("migrate",), ("seed",)):
                await made.step(*command)
            issuer.start()
            await issuer.ready()
            for node in (*made.gateways, *made.workers):
                node.start()
            for node in made.gateways:
                await node.ready()
            yield made
        finally:
            for node in (*made.gateways, *made.workers, issuer):
                node.resume()
                await node.kill()
            for link in (*to_kafka, *to_postgres):
                await link.close()
            await postgres.stop()
            await kafka.stop()


def settings_of(hurt: System) -> Settings:
    """The settings that the system's processes have, for this one and those that it starts."""
    os.environ.update({name: value for name, value in hurt.environment.items() if name.startswith("FIKS_")})
    return Settings()
