"""The local system as one declaration: which processes, in what order, at which addresses.

`python -m infra.local.stack` runs it under a guard; `fiks up` starts that in the background.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from infra.local.certificates import local_tls
from infra.local.guard import guarded
from infra.local.kafka import KafkaNode
from infra.local.ports import Ports
from infra.local.postgres import PostgresNode
from infra.local.processes import Check, Process
from infra.local.record import HELD, AlreadyRunning, Record
from infra.local.supervisor import Condition, StartFailed, Supervisor
from infra.settings import Settings

WORKERS = ("worker-1", "worker-2")
GATEWAYS = ("gateway-1", "gateway-2")
HTTPS, AMQPS = 8443, 5671
LOCAL_ID = UUID("6b1c5d52-6a0f-4f8e-9d37-2f6f0f1d7a10")
"""Of the organisation, and of the integration, as which the stand-in for Fiks Matrikkel is asked."""


class Stack:
    """The processes and addresses of one run; `ports` must stay open as long as it runs."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        state = settings.state.absolute()
        self.replaced: dict[str, tuple[int, int]] = {}
        """Of each setting whose port is taken: the port that it wants, and the one that it got."""

        def take(setting: str, wanted: int | None) -> int:
            got = ports.take(wanted)
            if wanted and got != wanted:
                self.replaced[setting] = (wanted, got)
            return got

        self.kafka = KafkaNode(state / "kafka", take("kafka", _port(settings.kafka)), ports.take())
        self.postgres = PostgresNode(state / "postgres", take("postgres", urlsplit(settings.postgres).port))
        issuer_port = take("issuer_port", settings.issuer_port)
        stand_ins_port = take("stand_ins_port", settings.stand_ins_port)
        self.tls = local_tls(state / "tls")
        self.settings = settings.model_copy(
            update={
                "state": state,
                "kafka": self.kafka.bootstrap,
                "postgres": self.postgres.dsn(),
                "gateway_port": take("gateway_port", settings.gateway_port),
                "gateway_tls_port": take("gateway_tls_port", settings.gateway_tls_port or HTTPS),
                "amqp_port": take("amqp_port", settings.amqp_port or AMQPS),
                "tls_certificate": self.tls.certificate,
                "tls_key": self.tls.key,
                "issuer_port": issuer_port,
                "issuer": f"http://127.0.0.1:{issuer_port}/",
                "idporten_issuer": f"http://127.0.0.1:{issuer_port}/idporten",
                "stand_ins_port": stand_ins_port,
                "altinn": f"http://127.0.0.1:{stand_ins_port}/altinn",
                "altinn_key": "local",
                "krr": f"http://127.0.0.1:{stand_ins_port}/krr",
                "matrikkel": f"http://127.0.0.1:{stand_ins_port}/matrikkel/{LOCAL_ID}",
                "matrikkel_integrasjon": LOCAL_ID,
                "matrikkel_passord": "local",
                "test_mode": True,
            }
        )
        self.metrics = {worker: ports.take() for worker in WORKERS}

    def processes(self) -> tuple[Process, ...]:
        """In the order in which they may start; they stop in the reverse."""
        issuer, gateway = self.settings.issuer, self.addresses()["gateway"]
        system = ("rebuild",)
        return (
            self.kafka.process(),
            self.postgres.process(),
            self._fiks("topics", "topics", "apply", needs=("kafka",), step=True),
            self._fiks("migrate", "migrate", needs=("postgres",), step=True),
            self._fiks("rebuild", "rebuild", "--outdated", needs=("topics", "migrate"), step=True),
            self._fiks("seed", "seed", needs=("topics",), step=True),
            self._fiks(
                "issuer",
                "issuer",
                port=self.settings.issuer_port,
                ready=answers(f"{issuer}.well-known/oauth-authorization-server"),
            ),
            self._fiks(
                "stand-ins",
                "stand-ins",
                port=self.settings.stand_ins_port,
                ready=answers(self.addresses()["stand_ins"]),
            ),
            *(
                self._fiks(name, "worker", needs=system, port=port, ready=answers(_metrics(port)), metrics_port=port)
                for name, port in self.metrics.items()
            ),
            *(
                self._fiks(
                    name,
                    "gateway",
                    needs=(*system, "issuer"),
                    port=self.settings.gateway_port,
                    ready=answers(f"{gateway}/readyz"),
                )
                for name in GATEWAYS
            ),
        )

    def addresses(self) -> dict[str, Any]:
        gateway = f"http://{self.settings.gateway_host}:{self.settings.gateway_port}"
        return {
            "gateway": gateway,
            "gateway_tls": f"https://localhost:{self.settings.gateway_tls_port}",
            "docs": f"{gateway}/docs",
            "schema_registry": f"{gateway}/schema-registry",
            "amqp": f"amqps://localhost:{self.settings.amqp_port}/",
            "authority": str(self.tls.authority),
            "kafka": self.settings.kafka,
            "postgres": self.settings.postgres,
            "analyst": self.postgres.analyst,
            "issuer": self.settings.issuer,
            "idporten": self.settings.idporten_issuer,
            "stand_ins": f"http://127.0.0.1:{self.settings.stand_ins_port}/",
            "metrics": {"gateway": f"{gateway}/metrics"} | {name: _metrics(p) for name, p in self.metrics.items()},
        }

    def environment(self, **changes: object) -> dict[str, str]:
        """FIKS_* for a process of ours that shall find this stack."""
        values = self.settings.model_copy(update=changes).model_dump(mode="json", exclude_none=True)
        return {f"FIKS_{name.upper()}": str(value) for name, value in values.items()}

    def _fiks(
        self,
        name: str,
        *command: str,
        needs: tuple[str, ...] = (),
        step: bool = False,
        port: int | None = None,
        ready: Check | None = None,
        **settings: object,
    ) -> Process:
        return Process(
            name=name,
            argv=(sys.executable, "-m", "gateway.cli", *command),
            env=os.environ | self.environment(**settings),
            needs=needs,
            port=port,
            ready=ready,
            step=step,
            cwd=Path.cwd(),
        )


def answers(url: str) -> Check:
    """A check: GET answers 200."""
    host, path = urlsplit(url).netloc, urlsplit(url).path

    async def check() -> bool:
        try:
            async with asyncio.timeout(2):
                return await _status(host, path) == 200
        except (OSError, TimeoutError):
            return False

    return check


async def _status(host: str, path: str) -> int | None:
    # By hand: an HTTP client takes longer to import than all else here.
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        version_status_reason = (await reader.readline()).split()
        return int(version_status_reason[1]) if len(version_status_reason) > 1 else None
    finally:
        writer.close()


def _port(bootstrap: str) -> int:
    return int(bootstrap.split(",", maxsplit=1)[0].rpartition(":")[2])


def _metrics(port: int) -> str:
    return f"http://127.0.0.1:{port}/metrics"


async def supervise(stack: Stack, record: Record) -> None:
    """Run the stack until SIGTERM or SIGINT, telling in stack.json how it is. Raises StartFailed."""
    stop, guard = asyncio.Event(), os.getppid()

    def end(number: signal.Signals) -> None:
        _log(f"stopping, as told by {number.name}" if os.getppid() == guard else "stopping, as the guard is gone")
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, number)

    def tell(conditions: Mapping[str, Condition], *, failure: str | None = None, stopped: bool = False) -> None:
        record.write(
            {
                "supervisor": os.getpid(),
                "guard": os.getppid(),
                "failure": failure,
                "stopped": stopped,
                "replaced": stack.replaced,
                "addresses": stack.addresses(),
                "environment": stack.environment(),
                "processes": {name: asdict(condition) for name, condition in conditions.items()},
            }
        )

    supervisor = Supervisor(stack.processes(), record.logs, tell)
    tell(supervisor.conditions)
    _log(f"starting the system in {record.state}")
    try:
        await supervisor.run(stop)
    except StartFailed as error:
        tell(supervisor.conditions, failure=str(error))
        raise
    tell(supervisor.conditions, stopped=True)
    _log("stopped")


def _log(text: str) -> None:
    """What the supervisor prints is its log."""
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}", file=sys.stderr, flush=True)


def main(make: Callable[[Settings, Ports], Stack] = Stack) -> int:
    """Run the stack of this environment to its end; the exit code."""
    settings = Settings()
    record = Record(settings.state.absolute())
    try:
        with record.held():
            return guarded(lambda: _work(make, settings, record))
    except AlreadyRunning:
        return HELD


def _work(make: Callable[[Settings, Ports], Stack], settings: Settings, record: Record) -> int:
    try:
        with Ports() as ports:
            asyncio.run(supervise(make(settings, ports), record))
    except StartFailed as error:
        _log(f"stopped: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
