"""Checksums follow the write front: by what they are lent, and by the file."""

from __future__ import annotations

import hashlib
import queue
import random

import pytest

from fascicle.transfer.digest import Digester, Running
from fascicle.transfer.hashes import maker

STEP = 512 << 10


@pytest.mark.parametrize("seed", range(8))
def test_lent_or_read_again_it_is_the_same(tmp_path, seed) -> None:
    chance = random.Random(seed)
    data = chance.randbytes(40 << 20)
    path = tmp_path / "part"
    told: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    with path.open("wb", buffering=0) as part:
        running = Running(
            path, maker("blake2b"), lambda _, digest, error: told.put((digest, error))
        )
        digester = Digester()
        position = 0
        while position < len(data):
            n = min(chance.choice([1000, 100_000, STEP]), len(data) - position)
            part.write(data[position : position + n])
            if chance.random() < 0.6:
                room = digester.rooms.pop() if digester.rooms else bytearray(STEP)
                room[:n] = data[position : position + n]
                digester.lend(running, position, memoryview(room)[:n], room)
            position += n
            if chance.random() < 0.5:
                running.front = position
                digester.push(running)
        running.front = running.total = len(data)
        digester.push(running)
        assert told.get(timeout=60) == (hashlib.blake2b(data).hexdigest(), "")
        digester.close()
    assert not running.lent
    assert running.n_lent == 0
    assert all(len(room) == STEP for room in digester.rooms)


def test_no_more_is_lent_than_memory_may_hold(tmp_path) -> None:
    digester = Digester()
    files = []
    for i in range(8):
        path = tmp_path / str(i)
        path.write_bytes(b"")
        files.append(Running(path, maker("md5"), lambda *_: None))
    lent = sum(
        digester.lend(file, STEP * i, memoryview(b"1"), bytearray(STEP))
        for file in files
        for i in range(100)
    )
    assert lent * STEP == 32 << 20
    assert digester.is_behind
    for file in files:
        file.dropped = True
        digester.push(file)
    digester.close()
    assert not digester.is_behind
    assert sum(file.n_lent for file in files) == 0
    assert len(digester.rooms) == lent
    assert not digester.lend(files[0], 0, memoryview(b"1"), bytearray(STEP))
