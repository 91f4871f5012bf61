"""What is looked for before a release is made, as data."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]


class Rule(NamedTuple):
    """Something that a release should not have, or should not lack.

    Attributes
    ----------
    name : str
        What ``allow=`` and ``--allow`` take.
    severity : str
        An ``error`` stops a release unless it is allowed; a ``warning`` is only said.
    text : str
        What it is about.
    left_out : bool
        Whether such files are not part of the release, allowed or not.
    """

    name: str
    severity: Severity
    text: str
    left_out: bool = False


RULES = {
    rule.name: rule
    for rule in (
        Rule("not-a-dataset", "warning", "files that do not follow the convention", True),
        Rule("system-file", "warning", "files of operating systems and editors", True),
        Rule("temporary-file", "error", "files that look half-written or like backups", True),
        Rule("unreadable", "error", "files and folders that cannot be read", True),
        Rule("missing-file", "error", "files of the index that are not there", True),
        Rule("link-outside", "error", "links that lead out of the folder", True),
        Rule("bad-path", "error", "paths that cannot be written on every system", True),
        Rule("bad-folder", "error", "recordings in folders with names of no convention", True),
        Rule("same-path", "error", "paths that are one file where case does not count", True),
        Rule("empty-file", "error", "files without a byte"),
        Rule("truncated-file", "error", "files that end before their header says"),
        Rule("bad-file", "error", "files that are not what their names say"),
        Rule("unsafe-file", "error", "pickled arrays, which run code when they are read"),
        Rule("inconsistent-lengths", "error", "attributes of an object with different lengths"),
        Rule("missing-companion", "error", "files without those that they cannot be read without"),
        Rule("incomplete-object", "warning", "objects without attributes that users look for"),
        Rule("subjects", "warning", "what NWB and DANDI need to know of subjects"),
        Rule("sessions", "warning", "what searches need to know of sessions"),
        Rule("description", "warning", "title, authors and license of the release"),
        Rule("no-sessions", "error", "no dataset to release"),
    )
}

#: Names of files that systems and editors leave behind.
SYSTEM_NAMES = frozenset(
    {".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db", ".directory", ".gitkeep"}
    | {".gitignore", ".gitattributes", ".one_root", ".nfs"}
)
SYSTEM_FOLDERS = frozenset(
    {"__pycache__", ".git", ".ipynb_checkpoints", "__macosx", ".spotlight-v100", ".trashes"}
    | {"$recycle.bin", "system volume information", "lost+found", ".fseventsd"}
)
SYSTEM_STARTS = ("._", ".~", "~$", ".nfs", ".fuse_hidden")
#: Extensions of files that something was still writing to, or that were put aside.
TEMPORARY = frozenset(
    {"part", "partial", "tmp", "temp", "bak", "backup", "old", "orig", "swp", "swo", "lock"}
    | {"crdownload", "download", "filepart", "incomplete", "aria2"}
)


class Companion(NamedTuple):
    """What has to lie, or should lie, in the same folder as something else.

    Attributes
    ----------
    has : str
        ``object.attribute``; or ``.extension``, whose companions have the same name otherwise.
    needs : tuple of str
        All of these, each of the same form; ``object.*`` is any other attribute of the object;
        ``a|b`` one of them.
    rule : str
        The rule that is broken where one is not there.
    """

    has: str
    needs: tuple[str, ...]
    rule: str = "incomplete-object"


COMPANIONS = (
    Companion(".cbin", (".ch", ".meta"), "missing-companion"),
    Companion("spikes.times", ("spikes.clusters",), "missing-companion"),
    Companion("spikes.clusters", ("spikes.times",), "missing-companion"),
    Companion("spikes.amps", ("spikes.times",)),
    Companion("spikes.depths", ("spikes.times",)),
    Companion("spikes.templates", ("spikes.times",)),
    Companion("spikes.samples", ("spikes.times",)),
    Companion("templates.waveforms", ("templates.waveformsChannels",)),
    Companion("channels.mlapdv", ("channels.brainLocationIds",)),
    Companion("channels.brainLocationIds", ("channels.mlapdv|channels.localCoordinates",)),
    Companion("clusters.metrics", ("clusters.channels|clusters.depths",)),
    Companion("wheel.position", ("wheel.timestamps|wheel.times",)),
    Companion("wheelMoves.peakAmplitude", ("wheelMoves.intervals",)),
    Companion("trials.choice", ("trials.feedbackType|trials.feedback_times",)),
    Companion("leftCamera.dlc", ("leftCamera.times|leftCamera.timestamps",)),
    Companion("rightCamera.dlc", ("rightCamera.times|rightCamera.timestamps",)),
    Companion("bodyCamera.dlc", ("bodyCamera.times|bodyCamera.timestamps",)),
    Companion("leftCamera.lightningPose", ("leftCamera.times|leftCamera.timestamps",)),
    Companion("rightCamera.lightningPose", ("rightCamera.times|rightCamera.timestamps",)),
    Companion("leftCamera.ROIMotionEnergy", ("leftCamera.times|leftCamera.timestamps",)),
    Companion("rightCamera.ROIMotionEnergy", ("rightCamera.times|rightCamera.timestamps",)),
    Companion("*.timestamps", ("*.*",)),
)

#: Files at the root of the folder that describe it, and are released with it: without extension.
DOCUMENTS = frozenset(
    {"readme", "license", "licence", "copying", "changelog", "changes", "citation", "authors"}
    | {"subjects", "dataset_description", "contributing"}
)
DOCUMENT_ENDINGS = frozenset(
    {"", "md", "txt", "rst", "cff", "csv", "tsv", "json", "yaml", "yml", "pdf"}
)

#: What NWB and DANDI want to know of a subject, by the names that columns may have.
SUBJECT_FIELDS = {
    "species": ("species",),
    "sex": ("sex",),
    "date of birth or age": ("date_of_birth", "birth_date", "dob", "age", "age_in_days"),
}
SUBJECT_NAMES = ("subject", "subject_id", "nickname", "mouse_id", "name")
SUBJECT_FILES = ("subjects.csv", "subjects.tsv", "subjects.yaml", "subjects.yml", "subjects.json")
SEXES = frozenset({"m", "f", "u", "o", "male", "female", "unknown", "other"})
