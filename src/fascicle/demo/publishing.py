"""The second part of the walk: the lab is published twice, and others get it.

The S3 endpoint is moto's server, on this machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from fascicle.demo.steps import Step


def missing() -> str:
    """Return the name of a package that is needed and not installed, or an empty string."""
    return next((name for name in ("moto", "flask", "obstore") if find_spec(name) is None), "")


def clear(variables: Mapping[str, Any]) -> None:
    """Stop the server and remove the copies, also where a step went wrong."""
    if "server" in variables:
        variables["server"].stop()
    if "away" in variables:
        shutil.rmtree(variables["away"], ignore_errors=True)


STEPS: tuple[Step, ...] = (
    Step(
        "Publish it: a copy that lacks a session, as version 1.0.0. The bucket is on this machine.",
        """\
import shutil, tempfile
from pathlib import Path
from fascicle.releases import Release, publish
from fascicle.testing import S3Server
server = S3Server().start()
server.make_bucket("our-lab")
place = "s3://our-lab/choice-task"

away = Path(tempfile.mkdtemp())
ours = shutil.copytree(folder, away / "ours")
mouse = fascicle.find(subject="NYU-01", datasets="trials.rewardVolume", archives=ours)
new, old, wrong = mouse[0], mouse[1], mouse[2]
shutil.move(new.path, away / "new")
first = publish(ours, version="1.0.0", to=place, endpoint=server.url, title="A synthetic lab",
                authors="{The Demo Lab}", license="CC0-1.0")
first""",
    ),
    Step(
        "Get it back elsewhere: every file verified, and found as before.",
        """\
archive = fascicle.open(place, endpoint=server.url, store=away / "theirs")
got = fascicle.get(archive).run(progress=False)
root = away / "theirs" / "choice-task-1.0.0"
fascicle.find(region="TH", datasets="spikes.times", archives=root).frame[["subject", "probes"]]""",
    ),
    Step(
        "Correct a reward, add the session, withdraw another: version 1.1.0.",
        """\
import numpy as np
file = wrong.file("trials.rewardVolume")
volume = np.load(file)
volume[0] += 1.5
np.save(file, volume)
shutil.move(away / "new", new.path)
shutil.rmtree(old.path)
second = publish(ours, version="1.1.0", to=place, endpoint=server.url)
second""",
    ),
    Step(
        "What changed, by session and object.",
        """\
newer = Release(place, endpoint=server.url)
newer.compare("1.0.0")""",
    ),
    Step(
        "Whoever has 1.0.0 gets 1.1.0: what did not change is there already, and its tables came as"
        " it was opened.",
        """\
newest = fascicle.open(place, endpoint=server.url, store=away / "theirs")
update = fascicle.get(newest).run(progress=False)
(f"1.0.0: {first.sent_bytes / 1e3:,.0f} kB sent, {got.bytes / 1e3:,.0f} kB fetched\\n"
 f"1.1.0: {second.sent_bytes / 1e3:,.0f} kB sent, {update.bytes / 1e3:,.0f} kB fetched")""",
    ),
    Step(
        "The bucket was only for this walk; who uses a release cites it.",
        """\
server.stop()
shutil.rmtree(away)
newer.cite()""",
    ),
)
