"""How fast documents come in and go out of one gateway process, against openssl for the same ciphers and hash.

Run: ``python -m tests.bench.documents``; ``ARGS=large`` adds one of 5 GB. A limit does in a shell what the gateway must
do to the same content: decipher (CMS alone), hash, encipher, write, and wait for the disk; or decipher what was stored.
It has both cores, a document one. Limit and document take turns, of which the medians count. A megabyte is measured
several at a time, against the limit of 100 MB: where openssl would be busy with starting. Peak memory is the kernel's
own count of the gateway process, begun anew for each size. What came as CMS is stored, and goes out, like the rest.
Where the gateway ever held more than MOST_MEMORY, the last line says so and the exit code is 1.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import obstore
from aiohttp import ClientSession
from cryptography.x509 import load_pem_x509_certificate
from obstore.store import LocalStore

from fiks_cms.envelope import Encryptor
from gateway.auth.grant import token_for
from gateway.seed import credentials
from infra.blobs import Blobs
from tests.bench.arguments import asked
from tests.bench.report import Report
from tests.chaos.system import System, system
from tests.support.memory import Peak

MB = 1_000_000
MOST_MEMORY = 150 * MB / 2**20
"""MiB that the gateway may hold, whatever the size of what passes."""
PIECE = 1 << 20
BOUNDARY = b"fiks-bench-boundary"
KEY = "openssl enc -aes-256-{} -K " + "0" * 64 + " -iv " + "0" * 32
STORED = f"tee >(openssl dgst -sha256 >&2) | {KEY.format('ctr')} | dd of={{out}} bs=1M conv=fsync"
LIMITS = {
    "copy": "cat {content} | dd of={out} bs=1M conv=fsync",
    "sha256": "openssl dgst -sha256 {content}",
    "plain": f"cat {{content}} | {STORED}",
    "cms": f"{KEY.format('cbc')} -d -nopad -in {{content}} | {STORED}",
    "download": f"{KEY.format('ctr')} -d -in {{content}} | cat",
}
"""Each is a pipeline of bash. CTR stands for GCM, which openssl's command does not do."""


@dataclass(frozen=True, slots=True)
class Size:
    """What is measured at a size: how many rounds, of how many documents, how many of them at a time."""

    name: str
    bytes: int
    rounds: int
    documents: int = 1
    at_once: int = 1


SMALL, MIDDLE = Size("1_MB", MB, 5, documents=100, at_once=4), Size("100_MB", 100 * MB, 5)
LARGE = Size("5_GB", 5000 * MB, 1)


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where the calls go, and as whom."""

    port: int
    pid: int
    headers: dict[str, str]
    path: str

    def upload(self, file: Path, kryptert: bool) -> str:
        """Upload a file as a document of which the caller may download; its id."""
        head, tail = self._around()
        length = len(head) + file.stat().st_size + len(tail)
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}", "Content-Length": str(length)}
        with (
            self._connected(f"POST {self.path}?kryptert={str(kryptert).lower()}", kind) as call,
            file.open("rb") as content,
        ):
            call.sendall(head)
            call.sendfile(content)
            call.sendall(tail)
            status, _, body = _answer(call)
            text = body + b"".join(iter(lambda: call.recv(PIECE), b""))
        assert status == 201, text
        return str(json.loads(text)["id"])

    def download(self, id_: str, taken: Callable[[memoryview], None] = lambda piece: None) -> int:
        """Read a document to its end; how many bytes it has."""
        buffer = memoryview(bytearray(PIECE))
        with self._connected(f"GET /dokumentlager/nedlasting/{id_}", {}) as call:
            status, length, body = _answer(call)
            assert status == 200, body
            taken(memoryview(body))
            size = len(body)
            while count := call.recv_into(buffer):
                taken(buffer[:count])
                size += count
        assert size == length
        return size

    @contextmanager
    def _connected(self, what: str, headers: dict[str, str]) -> Iterator[socket.socket]:
        fields = self.headers | headers | {"Host": "127.0.0.1", "Connection": "close"}
        with socket.create_connection(("127.0.0.1", self.port)) as call:
            lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            call.sendall(f"{what} HTTP/1.1\r\n{lines}\r\n".encode())
            yield call

    def _around(self) -> tuple[bytes, bytes]:
        """What comes before and after the content in a body."""
        itself = {"type": "INTEGRASJON", "id": self.headers["IntegrasjonId"]}
        metadata = {"dokumentnavn": "d", "mimetype": "application/pdf", "ttl": -1, "eksponertFor": [itself]}
        line = b'--%s\r\nContent-Type: %s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
        head = line % (BOUNDARY, b"application/json", b"metadata", b"") + json.dumps(metadata).encode() + b"\r\n"
        head += line % (BOUNDARY, b"application/octet-stream", b"dokument", b'; filename="d"')
        return head, b"\r\n--%s--\r\n" % BOUNDARY


def _answer(call: socket.socket) -> tuple[int, int, bytes]:
    """Status, length and the beginning of the body."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = call.recv(PIECE)
        assert piece, f"the gateway hung up after {received!r}"
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), int(fields.get("content-length", "0")), body


def limit(name: str, size: Size, content: Path) -> float:
    """Run a limit on a file of the size; MB/s."""
    out = content.with_name("out")
    command = f"set -o pipefail; {LIMITS[name].format(content=content, out=out)}"
    begin = time.perf_counter()
    subprocess.run(["bash", "-c", command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    elapsed = time.perf_counter() - begin
    out.unlink(missing_ok=True)
    return size.bytes / MB / elapsed


def measure(report: Report, gateway: Gateway, size: Size, limits: str, files: dict[str, Path]) -> None:
    """Uploads of both kinds, and downloads. ``limits`` names the size whose limits count; its own are measured here."""
    peak, rounds = Peak(gateway.pid), []
    for number in range(size.rounds):
        measured = (
            {f"limit_{name}": limit(name, size, files["plain"]) for name in LIMITS} if limits == size.name else {}
        )
        rounds.append(measured | one_round(gateway, size, files, compare=not number))
    for name in rounds[0]:
        to = None if name.startswith("limit") else f"limit_{name.removeprefix('upload_')}_{limits}"
        report.add(f"{name}_{size.name}", median(one[name] for one in rounds), "MB/s", to)
    report.add(f"peak_memory_{size.name}", peak.bytes / 2**20, "MiB")


def one_round(gateway: Gateway, size: Size, files: dict[str, Path], *, compare: bool) -> dict[str, float]:
    """Upload the documents of a round, encrypted and plain, and download the latter; MB/s."""
    with ThreadPoolExecutor(size.at_once) as threads:

        def upload(kind: str) -> list[str]:
            return list(threads.map(lambda _: gateway.upload(files[kind], kind == "cms"), range(size.documents)))

        begin = time.perf_counter()
        upload("cms")
        came_as_cms = time.perf_counter()
        ids = upload("plain")
        came = time.perf_counter()
        gateway.download(ids[-1])  # which waits until the projection has them all
        if compare:
            _compare(gateway, ids[0], files["plain"])
        ready = time.perf_counter()
        list(threads.map(gateway.download, ids))
        took = {
            "upload_cms": came_as_cms - begin,
            "upload_plain": came - came_as_cms,
            "download": time.perf_counter() - ready,
        }
    return {name: size.documents * size.bytes / MB / seconds for name, seconds in took.items()}


def _compare(gateway: Gateway, id_: str, file: Path) -> None:
    came = hashlib.sha256()
    gateway.download(id_, came.update)
    with file.open("rb") as content:
        assert came.digest() == hashlib.file_digest(content, "sha256").digest()


async def reading(report: Report, file: Path, size: int) -> None:
    """How much of a file a second of processor time reads: as the gateway does, and by obstore, as it does from S3."""
    own, store = Blobs(file.parent.as_uri()), LocalStore(file.parent)

    async def by_obstore() -> AsyncIterator[bytes]:
        async for piece in (await obstore.get_async(store, file.name)).stream(min_chunk_size=1 << 16):
            yield bytes(piece)

    for name, pieces in (("read_by_obstore", by_obstore()), ("read", own.get(file.name))):
        begin = time.process_time()
        assert sum([len(piece) async for piece in pieces]) == size
        report.add(name, size / MB / (time.process_time() - begin), "MB/s of processor")


def make(folder: Path, size: Size, certificate: bytes) -> dict[str, Path]:
    """A file of the size, and its CMS message."""
    files = {"plain": folder / f"{size.name}.plain", "cms": folder / f"{size.name}.cms"}
    block = os.urandom(MB)
    envelope = Encryptor([load_pem_x509_certificate(certificate)])
    with files["plain"].open("wb") as plain, files["cms"].open("wb") as cms:
        for _ in range(size.bytes // MB):
            plain.write(block)
            cms.write(envelope.update(block))
        cms.write(envelope.finish())
    return files


async def bench(hurt: System, sizes: tuple[Size, ...]) -> Report:
    """Measure all there is."""
    report, state = Report("documents"), hurt.folder / "state"
    known, [node] = credentials(state)[0], hurt.gateways
    headers = {
        "Authorization": f"Bearer {await token_for(hurt.environment['FIKS_ISSUER'], known['orgnr'])}",
        "IntegrasjonId": known["integrasjonId"],
        "IntegrasjonPassord": known["integrasjonPassord"],
    }
    assert node.running
    assert node.process.port
    path = f"/dokumentlager/api/v1/{known['fiksOrgId']}/kontoer/{known['dokumentkontoId']}/dokumenter/"
    gateway = Gateway(node.process.port, node.running.pid, headers, path)
    async with ClientSession() as session, session.get(f"{hurt.urls()[0]}/dokumentlager/api/v1/public-key") as answer:
        certificate = await answer.read()
    for size in sizes:
        files = make(hurt.folder, size, certificate)
        limits = MIDDLE.name if size is SMALL else size.name
        await asyncio.to_thread(measure, report, gateway, size, limits, files)
        if size is MIDDLE:
            await reading(report, files["plain"], size.bytes)
        for file in files.values():
            file.unlink()
    return report


async def main(sizes: tuple[Size, ...]) -> None:
    """Everything, on a system of its own."""
    async with system(gateways=1, workers=1, measured=True) as made:
        report = await bench(made, sizes)
    conclude(report)


def conclude(report: Report) -> None:
    """Print and leave the report. Exits with a line about the peaks above MOST_MEMORY, where there are any."""
    report.finish()
    peaks = [one for one in report.figures if one.name.startswith("peak_memory_") and one.value > MOST_MEMORY]
    if peaks:
        told = ", ".join(f"{one.name} {one.value:.1f} MiB" for one in peaks)
        sys.exit(f"The gateway held more than {MOST_MEMORY:.1f} MiB (150 MB): {told}")


if __name__ == "__main__":
    asyncio.run(main((MIDDLE, SMALL, LARGE) if asked("documents", "large", "(large)?") else (MIDDLE, SMALL)))
