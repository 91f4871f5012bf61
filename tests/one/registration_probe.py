"""Register what a lab would; runs on the official ONE's registration and on fascicle's.

    python registration_probe.py {one.registration | fascicle.one.registration} URL FOLDER

Both use the official ONE object, so that what the server is asked differs by the registration
alone. What calls return or raise is printed as JSON.
"""
# ruff: noqa: E501 - a call is a line

from __future__ import annotations

import datetime
import importlib
import json
import logging
import sys
import warnings
from pathlib import Path, PurePath
from uuid import UUID

SESSION = "lab1/Subjects/SUB1/2020-01-02/001"
CALLS = """
c.ensure_ISO8601('2020-01-01')
c.ensure_ISO8601('2020-01-01 10:11')
c.ensure_ISO8601(datetime.date(2020, 1, 2))
c.ensure_ISO8601(datetime.datetime(2020, 1, 2, 3, 4, 5, 6))
c.ensure_ISO8601('rubbish')
c._next_revision('2020-01-01', ['2020-01-01a', '2020-01-01b'])
c.assert_exists('SUB1', 'subjects')
c.assert_exists('SUBX', 'subjects')
c.assert_exists(['ann', 'test_user'], 'users')
c.assert_exists(['ann', 'zed'], 'users')
sorted(c.find_files(s))
c.prepare_files([a, b, g], versions='1')
c.prepare_files([a, b, g], versions=['1', '2', '3'])
c.prepare_files(a)
c.prepare_files([a, odd, stray])
c.prepare_files([a], content_type='subject')
c.check_protected_files(a)
c.check_protected_files([a, g])
c.register_files(a, dry=True)
c.register_files([a, b, g], dry=True, versions='1.2')
c.register_files([a], dry=True, max_md5_size=1)
c.register_files([a, b], dry=True, qc=['PASS', 'FAIL'])
c.register_files([a, b], dry=True, exists=False, server_only=True, repository='rep1', created_by='ann', default=False, labs='lab2', qc='PASS')
c.register_files(sorted((root / 'aggregates/Subjects/lab1/SUB1').rglob('*.npy')), dry=True, content_type='subject', object_id='1')
c.register_files([s / 'alf/spikes.times.gone.npy'])
c.register_files([odd])
c.register_files([])
names(c.register_files([odd, g, a, p]))
c.register_session(s, users='ann', file_list=False, location='rig', procedures='P', n_correct_trials=3, n_trials=5, json={'a': 1}, projects='p', type='Base', task_protocol='tp', start_time='2020-01-02T03:04:05', end_time=datetime.datetime(2020, 1, 2, 4))[1]
names(c.register_session(s.parents[1] / '2020-01-03/002')[1])
c.register_session(s, lab='lab2')
c.register_session(s, start_time='2020-01-03')
c.register_session(root / 'lab1/Subjects/SUBX/2020-01-02/001')
c.register_session(s, users=['ann', 'zed'])
c.create_new_session('SUB2', date='2020-03-03', session_root=root / 'new')[0]
c.create_new_session('SUB2', date='2020-03-03', session_root=root / 'new', register=False)
c.create_new_session('SUBX', date='2020-03-03', session_root=root / 'new')
sorted(c.create_sessions(root / 'flagged', dry=True)[0])
sorted(c.create_sessions(root / 'flagged', register_files=True)[0])
c.register_weight('SUB1', 23.5, '2020-01-02T03:04:05', 'ann')['weight']
c.register_weight('SUB1', 0)
c.register_weight('SUBX', 3)
c.register_water_administration('SUB1', .5, date_time='2020-01-02', water_type='Juice', adlib=True)['water_type']
c.register_water_administration('SUB1', 0)
c.register_water_administration('SUB1', 1, session='rubbish')
get_dataset_type('alf/_ns_spikes.times.npy', c.dtypes)['name']
get_dataset_type('Wheel.Position.npy', c.dtypes)['name']
get_dataset_type('spikes.nothing.npy', c.dtypes)
""".strip().splitlines()


def names(records):
    """Return what does not change from run to run."""
    keep = ("subject", "collection", "name", "revision", "dataset_type", "hash")
    return [r and {k: r[k] for k in keep} for r in records]


def make(root):
    """Write the files."""

    def write(path, n=3):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * n)
        return file

    for name in ("spikes.times.npy", "sub/#2020-01-01#/spikes.times.npy"):
        write(f"aggregates/Subjects/lab1/SUB1/{name}")  # of one alone theirs makes "."
    for subject in ("SUB1", "SUB2"):
        write(f"flagged/lab1/Subjects/{subject}/2020-02-02/001/create_me.flag", 0)
        write(f"flagged/lab1/Subjects/{subject}/2020-02-02/001/alf/spikes.times.npy")
    return {
        "s": root / SESSION,
        "a": write(f"{SESSION}/alf/spikes.times.npy"),
        "b": write(f"{SESSION}/alf/probe00/spikes.clusters.npy", 5),
        "p": write(f"{SESSION}/alf/#2021-01-01#/wheel.position.npy", 7),
        "g": write("lab1/Subjects/SUB1/2020-01-03/002/raw/_iblrig_taskData.raw.jsonable", 4),
        "odd": write(f"{SESSION}/alf/foo.bar.npy"),
        "stray": write("spikes.times.npy"),
    }


def plain(value, root):
    """Return a value as JSON keeps it; whole paths without the folder."""
    if isinstance(value, PurePath):
        return value.as_posix().removeprefix(f"{root}/")
    if isinstance(value, dict):
        return {str(plain(k, root)): plain(v, root) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, root) for v in value]
    return str(value) if isinstance(value, UUID) else value


def main():
    """Make each call and print the answers."""
    module, url, folder = sys.argv[1:]
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    registration = importlib.import_module(module)
    from one.api import ONE

    root = Path(folder)
    login = {"username": "test_user", "password": "secret"}
    one = ONE(base_url=url, **login, silent=True, cache_dir=root / "cache")
    known = {
        "c": registration.RegistrationClient(one),
        "get_dataset_type": registration.get_dataset_type,
        "names": names,
        "datetime": datetime,
        "root": root,
        **make(root),
    }
    answers = []
    for call in CALLS:
        try:
            answers.append(plain(eval(call, known), root))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            answers.append({"error": [c.__name__ for c in type(error).__mro__], "text": str(error)})
    print("\n" + json.dumps(answers))


if __name__ == "__main__":
    main()
