"""Ask either package the same questions about names and paths, and answer as JSON.

Run by the peer's own Python as a script (``peer_answers.py one``, questions on stdin), and
imported by the tests for our answers. Needs no more than the standard library and the package.
"""

import datetime
import importlib
import json
import pathlib
import sys
import uuid

UUID_TEXT = "a976e418-c8b8-4d24-be47-d05120b18341"
PROPERTIES = [
    "lab", "subject", "date", "sequence", "collection", "revision", "namespace", "object",
    "attribute", "timescale", "extra", "session_parts", "alf_parts", "dataset_name_parts",
]  # fmt: skip
METHODS = [
    ("is_dataset",), ("is_valid_alf",), ("is_session_path",), ("session_path",),
    ("session_path_short",), ("session_path_short", True), ("without_lab",),
    ("relative_to_lab",), ("relative_to_session",), ("parse_alf_path",),
    ("parse_alf_path", False), ("parse_alf_name",), ("parse_alf_name", False),
    ("with_lab", "newlab"), ("with_lab", "newlab", True), ("with_lab", "a b"), ("with_lab", ""),
    ("with_subject", "new-subj.1"), ("with_subject", "a/b"), ("with_date", "2021-02-03"),
    ("with_date", datetime.date(2021, 2, 3)), ("with_date", "2021-2-3"), ("with_sequence", 7),
    ("with_sequence", "012"), ("with_sequence", 1234), ("with_padded_sequence",),
    ("with_collection", "new/coll_1"), ("with_collection", "a b"), ("with_collection", ""),
    ("with_revision", "2030-01-01"), ("with_revision", "#x#"), ("without_revision",),
    ("with_object", "newObject"), ("with_namespace", "newns"), ("with_namespace", ""),
    ("with_attribute", "newAttr_times"), ("with_timescale", "clock_b"), ("with_timescale", ""),
    ("with_extra", "p.q"), ("with_extra", ["p", "q"], True), ("with_extra", ""),
    ("with_extension", "pqt"), ("with_extension", ".pqt"), ("with_extension", ""),
    ("with_uuid", UUID_TEXT), ("with_uuid", uuid.UUID(UUID_TEXT)), ("with_uuid", "no"),
    ("with_uuid", UUID_TEXT, True), ("without_uuid",),
]  # fmt: skip
FUNCTIONS = [
    "session_path_parts", "rel_path_parts", "folder_parts", "full_path_parts", "filename_parts",
    "get_alf_path", "get_session_path", "remove_uuid_string", "padded_sequence",
    "without_revision", "ensure_alf_path",
]  # fmt: skip


def plain(value):
    """Turn an answer into JSON: paths with their class, tuples as lists."""
    if isinstance(value, pathlib.PurePath):
        return {type(value).__name__: str(value)}
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {"dict": [[k, plain(v)] for k, v in value.items()]}
    return value


def attempt(call, *args, **kwargs):
    """Return the answer, or which kind of error there was."""
    try:
        return plain(call(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 (whatever it is, both must agree on it)
        if type(error).__name__ == "ALFInvalid":
            return {"error": "ALFInvalid"}
        return {"error": "ValueError" if isinstance(error, ValueError) else type(error).__name__}


def names(package, given):
    """Return for each name the six parts, or None where it is not valid."""
    spec = importlib.import_module(package + ".alf.spec")
    path = importlib.import_module(package + ".alf.path")
    answers = []
    for name in given:
        parts = path.filename_parts(name, assert_valid=False)
        found = spec.regex(spec.FILE_SPEC).match(name)
        assert spec.is_valid(name) == any(parts) == bool(found), name
        assert not found or found.groups() == parts, name
        answers.append(list(parts) if any(parts) else None)
    return answers


def questions():
    """Return all that is asked about a path, as text."""
    return [
        *PROPERTIES,
        *(f"{method}{tuple(args)}" for method, *args in METHODS),
        *FUNCTIONS,
        *(f"{f}, as_dict" for f in FUNCTIONS[:5]),
        *(f"{f}, no assert" for f in FUNCTIONS[:5]),
    ]


def paths(package, given):
    """Return for each (class, path) the answers to all questions."""
    module = importlib.import_module(package + ".alf.path")
    answers = []
    for cls, text in given:

        def make(cls=cls, text=text):
            return getattr(module, cls)(text)

        found = [attempt(getattr, make(), name) for name in PROPERTIES]
        found += [attempt(getattr(make(), name), *args) for name, *args in METHODS]
        subject = make() if cls.startswith("Pure") else text
        calls = [getattr(module, name) for name in FUNCTIONS]
        found += [attempt(call, subject) for call in calls]
        found += [attempt(call, subject, as_dict=True) for call in calls[:5]]
        found += [attempt(call, subject, assert_valid=False) for call in calls[:5]]
        answers.append(found)
    return answers


def made(package, given):
    """Return the names that ``to_alf`` makes of keyword arguments, and of words readable ones."""
    spec = importlib.import_module(package + ".alf.spec")
    return [attempt(spec.to_alf, **kwargs) for kwargs in given]


def checks(package, given):
    """Return what is thought of each text as a UUID, a QC outcome, a session and words."""
    spec = importlib.import_module(package + ".alf.spec")
    return [
        [
            attempt(spec.is_uuid_string, text),
            attempt(spec.is_uuid, text),
            attempt(spec.is_uuid, text, (1, 5)),
            attempt(lambda text=text: spec.QC.validate(text).name),
            attempt(spec.is_session_path, text),
            attempt(spec.readableALF, text),
            attempt(spec.readableALF, text, capitalize=True),
        ]
        for text in given
    ]


def surface(package, given):
    """Return the names that each module offers, and those of the two classes of paths."""
    found = {}
    for name in given:
        module = importlib.import_module(f"{package}.alf.{name}")
        found[name] = sorted(k for k in vars(module) if not k.startswith("_"))
        if name == "path":
            for cls in ("PureALFPath", "ALFPath"):
                found[cls] = sorted(k for k in dir(getattr(module, cls)) if not k.startswith("_"))
    return found


if __name__ == "__main__":
    work = json.load(sys.stdin)
    json.dump(
        {kind: globals()[kind](sys.argv[1], given) for kind, given in work.items()}, sys.stdout
    )
