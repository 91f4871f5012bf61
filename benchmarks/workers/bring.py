"""Bring files from a server, in one of several ways: ``bring.py JSON``.

The task has ``way``, ``base`` (the server's address), ``list`` (a file that lists what to bring),
``first`` (a file to bring before, so that everything is imported and set up), ``count``, ``target``
and ``algorithm``. Time runs from the call to the last file, checked where the way does that.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter

BUCKET, VERSION = "bucket", "v1"


class Fascicle:
    """Plan and run, over HTTP or S3."""

    def __init__(self, task: dict) -> None:
        if task["way"].endswith("s3"):
            os.environ["AWS_ENDPOINT_URL_S3"] = task["base"]
        self.s3, self.task = task["way"].endswith("s3"), task

    def bring(self, files: list[dict], target: Path) -> None:
        from fascicle.transfer import Source, make_plan

        algorithm, base = self.task["algorithm"], self.task["base"]
        pairs = [
            (
                Source(
                    f"s3://{BUCKET}/{f['path']}" if self.s3 else f"{base}/files/{f['path']}",
                    version=VERSION if self.s3 else "",
                    size=f["size"],
                    hash=f[algorithm],
                    algorithm=algorithm,
                ),
                f["path"],
            )
            for f in files
        ]
        result = make_plan(pairs, store=target).run(progress=False)
        result.raise_for_failed()


class OneHttp:
    """ONE-api's downloader of lists, called as `OneAlyx` calls it, md5 compared."""

    def __init__(self, task: dict) -> None:
        from one.webclient import http_download_file_list

        self.download, self.base = http_download_file_list, task["base"]

    def bring(self, files: list[dict], target: Path) -> None:
        urls = [f"{self.base}/files/{f['path']}" for f in files]
        folders = [str(Path(target, f["path"]).parent) for f in files]
        for folder in set(folders):
            Path(folder).mkdir(parents=True, exist_ok=True)
        _, md5s = self.download(
            iter(urls), target_dir=folders, username="", password="", silent=True, return_md5=True
        )
        assert list(md5s) == [f["md5"] for f in files], "md5"


class OneS3:
    """ONE-api's download from S3, a file at a time as `OneAlyx._download_aws` does; no checksum."""

    def __init__(self, task: dict) -> None:
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config
        from one.remote import aws

        self.aws = aws
        session = boto3.Session(region_name="us-east-1")
        self.s3 = session.resource(
            "s3", endpoint_url=task["base"], config=Config(signature_version=UNSIGNED)
        )

    def bring(self, files: list[dict], target: Path) -> None:
        for f in files:
            self.aws.s3_download_file(
                f["path"], target / f["path"], s3=self.s3, bucket_name=BUCKET, overwrite=True
            )


class Allen:
    """What AllenSDK does: one stream of 1 KiB chunks, then the file is read again and hashed."""

    def __init__(self, task: dict) -> None:
        import boto3
        from botocore import UNSIGNED
        from botocore.client import Config

        self.client = boto3.client(
            "s3",
            endpoint_url=task["base"],
            region_name="us-east-1",
            config=Config(signature_version=UNSIGNED),
        )

    def bring(self, files: list[dict], target: Path) -> None:
        from hashlib import blake2b

        from tqdm import tqdm

        for f in files:
            path = target / f["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            body = self.client.get_object(Bucket=BUCKET, Key=f["path"], VersionId=VERSION)["Body"]
            with path.open("wb") as out, tqdm(total=f["size"], unit="B", unit_scale=True) as bar:
                for chunk in body.iter_chunks(1024):
                    out.write(chunk)
                    bar.update(len(chunk))
            digest = blake2b()
            with path.open("rb") as again:
                while piece := again.read(1_000_000):
                    digest.update(piece)
            assert digest.hexdigest() == f["blake2b"], "blake2b"


class Curl:
    """One command of curl for all files, and one that reads them again and compares checksums."""

    def __init__(self, task: dict) -> None:
        self.task = task

    def bring(self, files: list[dict], target: Path) -> None:
        way, base = self.task["way"], self.task["base"]
        place = f"{base}/{BUCKET}" if way.endswith("s3") else f"{base}/files"
        version = f"?versionId={VERSION}" if way.endswith("s3") else ""
        config = "".join(
            f'url = "{place}/{f["path"]}{version}"\noutput = "{target / f["path"]}"\n'
            for f in files
        )
        # else all others wait for the first answer, in the hope of HTTP/2
        parallel = ["--parallel", "--parallel-immediate"] if "parallel" in way else []
        quiet = ["-q", "--silent", "--show-error", "--no-progress-meter"]
        command = ["curl", *quiet, "--fail", "--create-dirs", *parallel, "--config", "-"]
        subprocess.run(command, input=config, text=True, check=True)
        algorithm = self.task["algorithm"]
        tool = {"md5": "md5sum", "blake2b": "b2sum"}[algorithm]
        checks = "".join(f"{f[algorithm]}  {target / f['path']}\n" for f in files)
        subprocess.run([tool, "--check", "--quiet"], input=checks, text=True, check=True)


class Floor:
    """What this machine can do at most: a thread for each file, bare sockets, nothing but bytes.

    Each block is hashed and written while it is warm. Nothing is retried, resumed, synced, recorded
    or put under its name only when it is whole.
    """

    def __init__(self, task: dict) -> None:
        self.base = task["base"]

    def bring(self, files: list[dict], target: Path) -> None:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(len(files)) as pool:
            list(pool.map(lambda f: self.one(f, target / f["path"]), files))

    def one(self, f: dict, path: Path) -> None:
        import socket
        from hashlib import blake2b
        from urllib.parse import urlsplit

        path.parent.mkdir(parents=True, exist_ok=True)
        host = urlsplit(self.base)
        digest, view, left = blake2b(), memoryview(bytearray(1 << 20)), f["size"]
        with (
            socket.create_connection((host.hostname, host.port)) as line,
            path.open("wb", 0) as out,
        ):
            asked = f"GET /{BUCKET}/{f['path']}?versionId={VERSION} HTTP/1.1"
            line.sendall(f"{asked}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += line.recv(1)
            while left:
                n = line.recv_into(view)
                assert n, "cut"
                digest.update(view[:n])
                out.write(view[:n])
                left -= n
        assert digest.hexdigest() == f["blake2b"], "blake2b"


WAYS = {
    "floor-s3": Floor,
    "fascicle": Fascicle,
    "fascicle-s3": Fascicle,
    "one": OneHttp,
    "one-s3": OneS3,
    "allen-s3": Allen,
    "curl": Curl,
    "curl-s3": Curl,
    "curl-parallel": Curl,
    "curl-parallel-s3": Curl,
}


def used() -> float:
    """Return the seconds of CPU of this process and of its children that ended."""
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, both))


def main(task: dict) -> None:
    files = json.loads(Path(task["list"]).read_text())[: task["count"]]
    target = Path(task["target"])
    way = WAYS[task["way"]](task)
    way.bring(json.loads(Path(task["first"]).read_text()), target / "first")
    target = target / "all"
    cpu, start = used(), perf_counter()
    way.bring(files, target)
    seconds, cpu = perf_counter() - start, used() - cpu
    for f in files:
        assert (target / f["path"]).stat().st_size == f["size"], f["path"]
    from peak import peak

    size = sum(f["size"] for f in files)
    said = {"seconds": seconds, "cpu": cpu, "files": len(files), "bytes": size, "memory": peak()}
    print(json.dumps({"event": "answer", **said}), flush=True)


main(json.loads(sys.argv[1]))
