"""An S3 of the tests' own, and buckets of it that the store finds by AWS's own variables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer


@dataclass(frozen=True)
class Bucket:
    """A bucket, seen past the store. Needs the variables that ``new_bucket`` sets."""

    client: Any
    name: str

    def names(self) -> list[str]:
        """Of all objects, and of what is half uploaded."""
        objects = [one["Key"] for one in self._pages("list_objects_v2", "Contents")]
        return objects + [one["Key"] for one in self._pages("list_multipart_uploads", "Uploads")]

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def contents(self) -> Iterator[bytes]:
        """Of all objects, in every version that is kept, and of all parts of what is half uploaded."""
        for one in self._pages("list_object_versions", "Versions"):
            found = self.client.get_object(Bucket=self.name, Key=one["Key"], VersionId=one["VersionId"])
            yield found["Body"].read()

    def take(self, *names: str) -> dict[str, bytes]:
        """Take objects out of it; all of them where none is named."""
        taken = {}
        for name in names or self.names():
            taken[name] = self.client.get_object(Bucket=self.name, Key=name)["Body"].read()
            self.client.delete_object(Bucket=self.name, Key=name)
        return taken

    def put(self, objects: dict[str, bytes]) -> None:
        for name, content in objects.items():
            self.client.put_object(Bucket=self.name, Key=name, Body=content)

    def _pages(self, call: str, field: str) -> Iterator[Any]:
        for page in self.client.get_paginator(call).paginate(Bucket=self.name):
            yield from page.get(field, [])


@contextmanager
def running_s3() -> Iterator[str]:
    """The address of an S3 that runs."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


SECRETS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-north-1"}


def new_bucket(s3: str, patch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket (what is in one outlives its server), which the store finds by AWS's own variables."""
    for name, value in (SECRETS | {"AWS_ENDPOINT": s3, "AWS_ALLOW_HTTP": "true"}).items():
        patch.setenv(name, value)
    bucket = Bucket(boto3.client("s3", endpoint_url=s3, region_name="us-east-1"), f"b{os.urandom(8).hex()}")
    bucket.client.create_bucket(Bucket=bucket.name)
    return bucket
