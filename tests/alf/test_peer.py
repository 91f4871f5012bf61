"""The same questions to the real ONE-api and to us, and the same answers but for what is listed.

Each difference is listed once, as a rule that says where it is allowed, with the reason and an
example whose two answers are checked; a difference that no rule covers fails the test, and so
does a rule that nothing needs.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest

from fascicle.alf.names import is_date, parse_folder
from fascicle.alf.parts import find_session

from . import peer_answers as peer
from . import strategies as alf

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def ask(one_python: Path) -> Callable[[str, list[Any]], tuple[list[Any], list[Any]]]:
    """Return a function that gives our answers and theirs."""

    def ask(kind: str, given: list[Any]) -> tuple[list[Any], list[Any]]:
        run = subprocess.run(
            [str(one_python), str(Path(peer.__file__)), "one"],
            input=json.dumps({kind: given}),
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr[-3000:]
        ours = getattr(peer, kind)("fascicle.one", given)
        return json.loads(json.dumps(ours)), json.loads(run.stdout)[kind]

    return ask


@dataclass
class Rule:
    """Where our answers differ from ONE-api's."""

    applies: Callable[..., bool]
    reason: str
    given: Any
    ours: Any
    theirs: Any


# -- names ---------------------------------------------------------------------------------------

NAME_RULES = [
    Rule(
        lambda name: name.startswith("_") and not re.match(r"_[a-zA-Z0-9]+_\w", name),
        "without a whole namespace all is object: ONE-api splits one word, or loses underscores, "
        "so that different names get the same parts",
        "_foo.bar.npy",
        [None, "_foo", "bar", None, None, "npy"],
        ["fo", "o", "bar", None, None, "npy"],
    ),
    Rule(
        lambda name: name.endswith("\n"),
        "a newline is no part of a name",
        "spikes.times.npy\n",
        None,
        [None, "spikes", "times", None, None, "npy"],
    ),
]


def real_names(shared: Path) -> list[str]:
    import pyarrow.parquet as pq

    found = {path.name for path in (shared / "data").rglob("*")}
    for table in (shared / "data").glob("*/datasets.pqt"):
        paths = pq.read_table(table, columns=["rel_path"])["rel_path"].to_pylist()
        found |= {path.rpartition("/")[2] for path in paths}
    for file in (shared / "data" / "alyx_rest_openalyx").rglob("*.json"):
        found |= set(re.findall(r"[\w.#-]+\.[\w-]+\.\w+", file.read_text()))
    return sorted(found)


def test_names(ask: Callable[..., Any], shared: Path) -> None:
    rng = random.Random(2)
    valid = [alf.random_name(rng) for _ in range(20_000)]
    spoiled = [alf.spoil(name, rng) for name in valid]
    # ONE-api's expression takes time exponential in the number of periods where it fails.
    names = [n for n in valid + spoiled if n.count(".") < 12]
    real = real_names(shared)
    assert len(real) > 500 and len(names) > 39_000
    names += real + [rule.given for rule in NAME_RULES]
    ours, theirs = ask("names", names)
    used: Counter[str] = Counter()
    for name, our, their in zip(names, ours, theirs, strict=True):
        if our != their:
            reasons = [rule.reason for rule in NAME_RULES if rule.applies(name)]
            assert reasons, (name, our, their)
            used.update(reasons)
    assert sum(answer is not None for answer in ours) > 15_000
    assert sum(answer is None for answer in ours) > 10_000
    for rule, our, their in zip(NAME_RULES, ours[-2:], theirs[-2:], strict=True):
        assert (our, their) == (rule.ours, rule.theirs)
    assert not [name for name, answer in zip(real, ours[-len(real) - 2 :]) if answer and
                name.startswith("_") and not answer[0]]  # fmt: skip


# -- paths ---------------------------------------------------------------------------------------

ROOTS = ["", "/", "/data/ONE/", "my data/", "C:/Data/", "a-b/Subjects/"]
SESSIONS = [
    "lab/Subjects/x-1.a/2020-01-01/001", "x/2020-01-01/1", "Subjects/x/2020-02-03/012",
    "my-lab/Subjects/x/2020-01-01/001", "a b/2020-01-01/001", "x/2020-13-45/001",
    "x/2020-01-01/1234", "x/2020-1-1/001", "", "lab/Subjects/x", "2020-01-01/001",
]  # fmt: skip
FOLDERS = ["", "alf", "alf/probe00", "#r1#", "alf/#v1.0.0#", "alf/#r#/sub", "a b", "raw.a.b"]
NAMES = [
    "", "spikes.times.npy", f"_ibl_trials.goCue_times_bpod.a.{peer.UUID_TEXT}.npy", "notes.txt",
    "a-b.c.d", "_foo.bar.npy", "README", "x._phy_ids_intervals.p-q.csv",
]  # fmt: skip
CLASSES = ["ALFPath", "PurePosixALFPath", "PureWindowsALFPath"]


def below(path: str) -> str:
    """Return what follows the session, '' without one."""
    session = find_session(path)
    return path[session.end() :].strip("/") if session else ""


def is_file(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.count(".") >= 2 and not name.startswith("#")


def inexact_session(path: str, question: str, cls: str) -> bool:
    lab = re.search(r"\w+/Subjects/", path)
    found = re.search(r"(?:\w+/Subjects/)?[\w.-]+/(\d{4}-\d{2}-\d{2})/\d{1,3}", path)
    loose = re.search(r"/\d{4}-\d-\d/\d", path)
    inside = [m for m in (lab, found) if m and m.start() and path[m.start() - 1] != "/"]
    longer = found and path[found.end() : found.end() + 1] not in ("", "/")
    return bool(inside or longer or loose or (found and not is_date(found[1])))


def odd_name(path: str, question: str, cls: str) -> bool:
    asked = r"alf_parts|parse_alf|filename_parts|full_path|rel_path|dataset_name|object|namespace"
    return NAME_RULES[0].applies(path.rpartition("/")[2]) and bool(re.search(asked, question))


def odd_folder(path: str, question: str, cls: str) -> bool:
    asked = (
        r"collection|revision|alf_parts|parse_alf_path|full_path|is_valid_alf|folder_parts"
        r"|rel_path"
    )
    if not re.search(asked, question):
        return False
    folder = path.rpartition("/")[0] if is_file(path) else path
    return parse_folder(below(folder)) is None


PATH_RULES = [
    Rule(
        inexact_session,
        "a session and its lab are whole folders, the day is in the calendar and written "
        "yyyy-mm-dd, the number has at most three digits",
        ("PurePosixALFPath", "/my-lab/Subjects/x/2020-01-01/001", "without_lab()"),
        {"PurePosixALFPath": "/my-lab/Subjects/x/2020-01-01/001"},
        {"PurePosixALFPath": "/my-/x/2020-01-01/001"},
    ),
    Rule(
        odd_name,
        NAME_RULES[0].reason,
        ("PurePosixALFPath", "_foo.bar.npy", "with_object('newObject',)"),
        {"PurePosixALFPath": "newObject.bar.npy"},
        {"PurePosixALFPath": "_fo_newObject.bar.npy"},
    ),
    Rule(
        lambda path, question, cls: bool(
            re.search(r"_(times|intervals)\.", path)
            and re.match("with_(attribute|timescale)", question)
        ),
        "the ending _times or _intervals belongs to the attribute: ONE-api takes it for a "
        "timescale here, if nothing follows it",
        ("PurePosixALFPath", "trials.goCue_times.npy", "with_timescale('',)"),
        {"PurePosixALFPath": "trials.goCue_times.npy"},
        {"PurePosixALFPath": "trials.goCue.npy"},
    ),
    Rule(
        odd_folder,
        "folders that break the rules are refused: ONE-api leaves them out of what it returns, "
        "which then is another file",
        ("PurePosixALFPath", "/x/2020-01-01/1/a b/spikes.times.npy", "without_revision()"),
        {"error": "ALFInvalid"},
        {"PurePosixALFPath": "/x/2020-01-01/1/spikes.times.npy"},
    ),
    Rule(
        lambda path, question, cls: (
            not is_file(path)
            and "/" in below(path)
            and bool(re.search(r"full_path_parts|is_valid_alf|revision\(", question))
        ),
        "a collection may have several folders",
        ("PurePosixALFPath", "/x/2020-01-01/1/alf/probe00", "is_valid_alf()"),
        True,
        False,
    ),
    Rule(
        lambda path, question, cls: bool(
            re.search(r"#[^#/]*\.[^#/]*\.[^#/]*#$", path)
            and re.search(r"revision|alf_parts|parse_alf_path|full_path|is_valid_alf", question)
        ),
        "a revision may have periods and still is a folder",
        ("PurePosixALFPath", "/x/2020-01-01/1/#v1.0.0#", "revision"),
        "v1.0.0",
        "",
    ),
    Rule(
        lambda path, question, cls: (
            path.startswith(("/", "C:")) and question.startswith("rel_path")
        ),
        "a path from the root is not relative to a session",
        ("PurePosixALFPath", "/alf/spikes.times.npy", "rel_path_parts"),
        {"error": "ALFInvalid"},
        ["/alf", None, None, "spikes", "times", None, None, "npy"],
    ),
    Rule(
        lambda path, question, cls: "Windows" in cls and question == "get_alf_path",
        "a path of Windows is read as one on all platforms",
        ("PureWindowsALFPath", "/alf/#r#/spikes.times.npy", "get_alf_path"),
        "alf/#r#/spikes.times.npy",
        "spikes.times.npy",
    ),
    Rule(
        lambda path, question, cls: question.startswith("folder_parts") and "." in path[-5:],
        "a file is no folder",
        ("PurePosixALFPath", "x/2020-01-01/1/#r#/spikes.times.npy", "folder_parts"),
        {"error": "ALFInvalid"},
        [None, "x", "2020-01-01", "1", None, "r"],
    ),
    Rule(
        lambda path, question, cls: question == "session_path_short(True,)",
        "where there is no lab the session does not begin with a slash",
        ("PurePosixALFPath", "x/2020-01-01/1", "session_path_short(True,)"),
        "x/2020-01-01/1",
        "/x/2020-01-01/1",
    ),
    Rule(
        lambda path, question, cls: (
            path.lstrip("/").startswith("Subjects/") and question.startswith("with_lab")
        ),
        "a folder Subjects that is there gets a lab before it, not a second one after it",
        ("PurePosixALFPath", "Subjects/x/2020-01-01/1", "with_lab('newlab',)"),
        {"PurePosixALFPath": "newlab/Subjects/x/2020-01-01/1"},
        {"PurePosixALFPath": "Subjects/newlab/Subjects/x/2020-01-01/1"},
    ),
    Rule(
        lambda path, question, cls: (
            not find_session(path) and bool(re.search("revision|with_collection", question))
        ),
        "without a whole session there is an answer or ALFInvalid, never an AttributeError",
        ("PurePosixALFPath", "x/2020-13-45/001/spikes.times.npy", "without_revision()"),
        {"error": "ALFInvalid"},
        {"error": "AttributeError"},
    ),
]


@pytest.mark.parametrize("n", [1000, pytest.param(4000, marks=pytest.mark.long)])
def test_paths(ask: Callable[..., Any], n: int) -> None:
    every = [
        (cls, root + "/".join(filter(None, steps)))
        for cls, root, *steps in product(CLASSES, ROOTS, SESSIONS, FOLDERS, NAMES)
    ]
    given = random.Random(3).sample(every, n) + [rule.given[:2] for rule in PATH_RULES]
    ours, theirs = ask("paths", given)
    questions = peer.questions()
    used: Counter[int] = Counter()
    same = 0
    uncovered = []
    for (cls, path), our, their in zip(given, ours, theirs, strict=True):
        flavour = PureWindowsPath if "Windows" in cls else PurePosixPath
        text = flavour(path).as_posix()
        for question, x, y in zip(questions, our, their, strict=True):
            if x == y:
                same += 1
                continue
            rules = [i for i, rule in enumerate(PATH_RULES) if rule.applies(text, question, cls)]
            if not rules:
                uncovered.append((cls, path, question, x, y))
            if len(rules) == 1:
                used.update(rules)
    assert not uncovered, uncovered[:10]
    assert same > 50 * n
    for rule, our, their in zip(
        PATH_RULES, ours[-len(PATH_RULES) :], theirs[-len(PATH_RULES) :], strict=True
    ):
        at = questions.index(rule.given[2])
        assert (our[at], their[at]) == (rule.ours, rule.theirs), rule.reason
    idle = [PATH_RULES[i].reason for i in range(len(PATH_RULES) - 1) if not used[i]]
    assert not idle


@pytest.mark.parametrize("n", [400, pytest.param(1500, marks=pytest.mark.long)])
def test_paths_that_keep_to_the_convention_differ_in_few_answers(
    ask: Callable[..., Any], n: int
) -> None:
    """Sessions, collections and names as they are in real archives: nothing else may differ."""
    rng = random.Random(4)
    given = []
    for _ in range(n):
        lab = rng.choice(["", "zadorlab/Subjects/", "churchlandlab_ucla/Subjects/"])
        subject = rng.choice(["CSH_ZAD_003", "NYU-01", "flowers", "KS014.b"])
        folders = rng.choice(["", "alf/", "alf/probe00/", "raw_ephys_data/probe01/", "alf/a-b/"])
        revision = rng.choice(["", "", "#2024-05-06#/"])
        number = rng.choice(["001", "1", "012"])
        name = alf.random_name(rng)
        while name.startswith("_") and not re.match(r"_[a-zA-Z0-9]+_\w", name):
            name = alf.random_name(rng)
        root = rng.choice(["", "/data/", "C:/Users/me/"])
        path = f"{root}{lab}{subject}/2019-08-11/{number}/{folders}{revision}{name}"
        given.append((rng.choice(CLASSES), path))
    ours, theirs = ask("paths", given)
    differ = {
        question: (cls, path, x, y)
        for (cls, path), our, their in zip(given, ours, theirs, strict=True)
        for question, x, y in zip(peer.questions(), our, their, strict=True)
        if x != y
    }
    allowed = {"session_path_short(True,)"}
    allowed |= {q for q in peer.questions() if q.startswith(("rel_path_parts", "folder_parts"))}
    allowed |= {q for q in peer.questions() if q.startswith(("with_attribute", "with_timescale"))}
    assert not {q: answers for q, answers in differ.items() if q not in allowed}


# -- making names, and checks --------------------------------------------------------------------


def test_to_alf(ask: Callable[..., Any]) -> None:
    words = ["spikes", "times", "stim On", "passive_RFM", "mpci ROIs", "FooBar", "goCue_times",
             "x_intervals", "a_timestamps", "ROIs", "object"]  # fmt: skip
    odd = ["", "a.b", "_a", "a-b", None]
    rng = random.Random(5)
    given = []
    for _ in range(3000):
        parts = {"object": rng.choice(words), "attribute": rng.choice(words), "extension": "npy"}
        if rng.random() < 0.1:
            parts["extension"] = rng.choice([".npy", "", "metadata.json"])
        if rng.random() < 0.5:
            parts["namespace"] = rng.choice(["ibl", "spikeglx", "", "a_b", "a.b"])
        if rng.random() < 0.5:
            parts["timescale"] = rng.choice([*words, ["ephys clock", "minutes"], ["bpod"], ""])
        if rng.random() < 0.5:
            parts["extra"] = rng.choice(["raw", "raw.v12", ["raw", "v-12"], "", []])
        if rng.random() < 0.1:
            parts["object"] = rng.choice(odd)
        given.append(parts)
    ours, theirs = ask("made", given)
    for kwargs, our, their in zip(given, ours, theirs, strict=True):
        if our != their:
            # ONE-api makes names that are not valid, or fails on what is empty in another way.
            assert our == {"error": "ValueError"}, (kwargs, our, their)
            assert isinstance(their, dict) or not peer.names("fascicle.one", [their])[0]
    assert sum(isinstance(our, str) for our in ours) > 1500


def test_checks(ask: Callable[..., Any]) -> None:
    given: list[Any] = [
        *("", "0", "40", "30", "pass", "NOT_SET", "Critical", "45", "good", "²", -1, 0, 50, 7),
        *(None, 1.5, [1], "a976e418c8b84d24be47d05120b18341", peer.UUID_TEXT.upper()),
        *(peer.UUID_TEXT, "{" + peer.UUID_TEXT + "}", "a976e418-c8b8-1d24-be47-d05120b18341"),
        *("a976e418-c8b8-5d24-be47-d05120b18341", "a976e418-c8b8-7d24-be47-d05120b18341"),
        *("x/2020-01-01/001", "/data/lab/Subjects/x/2020-01-01/1/", "x/2020-01-01/1234"),
        *("x/2020-01-01", "x/2020-01-01/001/alf", "C:\\x\\2020-01-01\\001"),
        *("sparseNoise", "someROIDataset", "ROIs", "passiveRFMap", "a", "A", "x1Y2", "two words"),
    ]
    ours, theirs = ask("checks", given)
    # The rest of the questions need a text, and each package fails in its own way.
    fails = {"error": "TypeError"}, {"error": "AttributeError"}, {"error": "IndexError"}
    for thing, our, their in zip(given, ours, theirs, strict=True):
        for x, y in zip(our, their, strict=True):
            assert x == y or (y in fails and (not isinstance(thing, str) or not thing)), thing


def test_all_that_is_offered_there_is_offered_here(ask: Callable[..., Any]) -> None:
    ours, theirs = ask("surface", ["spec", "path", "exceptions"])  # type: ignore[arg-type]
    their_imports = {
        "IntEnum", "Iterable", "Listable", "Optional", "OrderedDict", "UUID", "Union",
        "cached_property", "datetime", "flatten", "logging", "os", "pathlib", "re", "textwrap",
    }  # fmt: skip
    for module, names in theirs.items():  # type: ignore[attr-defined]
        assert set(names) - set(ours[module]) <= their_imports, module
