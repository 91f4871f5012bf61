"""Settings, first start, users, backups and checks of a hub."""

from __future__ import annotations

import json
import os
import stat
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fascicle.errors import ConfigurationError, NotFoundError
from fascicle.hub.checking import check_place
from fascicle.hub.config import HubConfig, load_config
from fascicle.hub.fingerprint import fingerprint
from fascicle.hub.last import find_hub, remember, write_private
from fascicle.hub.settings import database, django_settings, secret_key

# -- settings -------------------------------------------------------------------------------------


def test_what_the_caller_says_counts_more_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text('folder = "data"\nport = 9000\nworkers = 3\n')
    config = load_config(file=file, port=9001, host=None)
    assert (config.port, config.workers, config.host) == (9001, 3, "127.0.0.1")
    assert config.folder == tmp_path / "data"
    assert config.state == tmp_path / "data" / ".fascicle" / "hub"


def test_the_file_in_the_state_folder_is_read(tmp_path: Path) -> None:
    state = tmp_path / ".fascicle" / "hub"
    state.mkdir(parents=True)
    (state / "hub.toml").write_text('public_url = "https://hub.lab.org/"\n')
    config = load_config(tmp_path)
    assert config.url == "https://hub.lab.org"
    assert config.data_url == "https://hub.lab.org/data"
    assert "hub.lab.org" in config.hosts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "port"),
        ("port = 70000", "65535"),
        ("port = true", "whole number"),
        ("workers = 0", "from 1"),
        ("watch = -1", "from 0"),
        ('debug = "no"', "true or false"),
        ('allowed_hosts = "a"', "list"),
        ('public_url = "hub.lab.org"', "https://"),
        ('public_url = "https://lab.org/hub"', "path"),
        ('database = "mysql://a/b"', "postgresql"),
        ("port =", "TOML"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path, file=file)
    assert said in str(caught.value)


def test_nothing_to_serve_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="neither"):
        load_config()


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    config = load_config(tmp_path, database="postgresql://hub:s3cret@db/lab")
    assert "s3cret" not in repr(config)
    assert "s3cret" not in str(config)


def test_a_database_url_is_taken_apart(tmp_path: Path) -> None:
    url = "postgresql://hub:p%40ss@db.lab:5433/lab?sslmode=verify-full"
    found = database(load_config(tmp_path, database=url))
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("db.lab", "5433", "lab")
    assert found["PASSWORD"] == "p@ss"
    assert found["OPTIONS"]["sslmode"] == "verify-full"
    assert "statement_timeout=30000" in found["OPTIONS"]["options"]
    socket = database(load_config(tmp_path, database="postgresql:///lab?host=/run/pg"))
    assert (socket["HOST"], socket["NAME"]) == ("/run/pg", "lab")


def test_cookies_are_for_tls_alone_where_there_is_tls(tmp_path: Path) -> None:
    assert not django_settings(load_config(tmp_path))["SESSION_COOKIE_SECURE"]
    settings = django_settings(load_config(tmp_path, public_url="https://hub.lab.org"))
    assert settings["SESSION_COOKIE_SECURE"] and settings["CSRF_COOKIE_SECURE"]


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    first = secret_key(tmp_path / "state")
    assert secret_key(tmp_path / "state") == first and len(first) > 60
    assert stat.S_IMODE((tmp_path / "state" / "secret").stat().st_mode) == 0o600
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["secret"]
    assert secret_key(tmp_path / "other") != first


def test_a_process_has_one_hub(tables: Any, tmp_path: Path) -> None:
    from fascicle.hub.setup import prepare

    prepare(tables)
    with pytest.raises(ConfigurationError, match="another hub"):
        prepare(load_config(tmp_path))


# -- finding a hub again --------------------------------------------------------------------------


def test_a_hub_is_found_by_its_folder_or_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(tmp_path / "lab", database="postgresql:///lab", port=9003)
    config.state.mkdir(parents=True)
    remember(config)
    assert stat.S_IMODE((config.state / "last.json").stat().st_mode) == 0o600
    assert find_hub(tmp_path / "lab") == config
    assert find_hub(config.state) == config
    monkeypatch.setenv("FASCICLE_HUB", str(tmp_path / "lab"))
    assert find_hub() == config
    monkeypatch.delenv("FASCICLE_HUB")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="has no hub"):
        find_hub()


def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    write_private(tmp_path / "a", b"1")
    write_private(tmp_path / "a", b"2")
    assert (tmp_path / "a").read_bytes() == b"2"
    assert os.listdir(tmp_path) == ["a"]


# -- the first rows -------------------------------------------------------------------------------


def test_regions_are_those_of_alyx(tables: Any, shared: Path) -> None:
    from fascicle.hub.models import BrainRegion

    file = shared / "data" / "alyx_fixtures" / "experiments.brainregion.json"
    theirs = {row["pk"]: row["fields"] for row in json.loads(file.read_text())}
    ours = {row.pk: row for row in BrainRegion.objects.all()}
    assert ours.keys() == theirs.keys()
    for pk, row in ours.items():
        found = {key: getattr(row, key) for key in ("acronym", "name", "lft", "rght", "level")}
        assert found | {"parent": row.parent_id} == {
            key: theirs[pk][key] for key in (*found, "parent")
        }


def test_every_name_that_an_alyx_begins_with_is_there(tables: Any, shared: Path) -> None:
    from fascicle.hub import models

    kinds = {
        "data.dataformat": models.DataFormat,
        "data.datasettype": models.DatasetType,
        "data.datarepositorytype": models.DataRepositoryType,
        "actions.proceduretype": models.ProcedureType,
        "actions.watertype": models.WaterType,
        "experiments.probemodel": models.ProbeModel,
        "experiments.coordinatesystem": models.CoordinateSystem,
    }
    for name, model in kinds.items():
        rows = json.loads((shared / "data" / "alyx_fixtures" / f"{name}.json").read_text())
        ours = set(model.objects.values_list("name", flat=True))
        assert {row["fields"]["name"] for row in rows} <= ours, name


def test_files_of_a_public_lab_have_the_types_that_they_have_there(
    tables: Any, shared: Path
) -> None:
    from fascicle.hub.kinds import DatasetTypes
    from fascicle.hub.models import DatasetType

    names = dict(DatasetType.objects.values_list("pk", "name"))
    types = DatasetTypes()
    found = 0
    for name, kind in _typed(shared / "data" / "alyx_rest_openalyx"):
        key = types.of(name)
        assert key is not None and names[key] == kind, name
        found += 1
    assert found > 100


def _typed(folder: Path) -> Any:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            if isinstance(value.get("dataset_type"), str) and "name" in value:
                yield value["name"], value["dataset_type"]
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                yield from walk(item)

    for file in folder.rglob("*.json"):
        yield from walk(json.loads(file.read_text()))


def test_the_first_start_makes_one_admin_and_one_repository(tables: HubConfig) -> None:
    from fascicle.hub.models import DataRepository, LabMember
    from fascicle.hub.setup import first_start

    assert first_start(tables).user == ""
    LabMember.objects.all().delete()
    made = first_start(tables)
    assert LabMember.objects.get().check_password(made.password)
    assert made.password not in repr(made)
    assert DataRepository.objects.get(name="hub").data_url == f"{tables.data_url}/"


def test_what_a_hub_keeps_is_private(tables: HubConfig) -> None:
    from fascicle.hub.setup import make_private

    make_private(tables)
    assert stat.S_IMODE(tables.state.stat().st_mode) == 0o700
    if tables.sqlite is not None:
        assert stat.S_IMODE(tables.sqlite.stat().st_mode) == 0o600


# -- users and tokens -----------------------------------------------------------------------------

GOOD = "correct horse battery"


def test_users_are_made_changed_and_removed(tables: Any) -> None:
    from fascicle.hub import users
    from fascicle.hub.models import LabMember, Session, Subject, Weighing

    users.add_user("anna", GOOD, email="anna@lab.org")
    anna = LabMember.objects.get(username="anna")
    assert anna.check_password(GOOD) and anna.is_staff and not anna.is_superuser
    assert GOOD not in anna.password
    with pytest.raises(users.UserError, match="already"):
        users.add_user("anna", GOOD)
    with pytest.raises(users.UserError, match="will not do"):
        users.add_user("otto", "1234")
    with pytest.raises(users.UserError, match="valid username"):
        users.add_user("an na", GOOD)
    users.set_public("anna", True)
    assert {row["user"]: row["role"] for row in users.user_rows()} == {
        "admin": "admin",
        "anna": "public",
    }
    with pytest.raises(NotFoundError, match="no user 'ana'"):
        users.change_password("ana", GOOD)
    assert users.remove_user("anna")
    assert not LabMember.objects.filter(username="anna").exists()
    with pytest.raises(users.UserError, match="last admin"):
        users.remove_user("admin")
    assert not (Session.objects.exists() or Subject.objects.exists() or Weighing.objects.exists())


def test_a_user_whom_rows_name_is_locked_out_in_place_of_removed(tables: Any) -> None:
    from fascicle.hub import users
    from fascicle.hub.models import Lab, LabMember, Subject
    from fascicle.hub.tokens import new_token

    anna = users.add_user("anna", GOOD)
    Subject.objects.create(nickname="m1", lab=Lab.objects.create(name="l"), responsible_user=anna)
    new_token(anna)
    assert not users.remove_user("anna")
    anna = LabMember.objects.get(username="anna")
    assert not anna.is_active and not anna.has_usable_password() and not anna.tokens.exists()


def test_tokens_are_kept_as_hashes_and_end(tables: Any) -> None:
    from fascicle.hub import users
    from fascicle.hub.models import Token
    from fascicle.hub.rest.tokens import member_of
    from fascicle.hub.tokens import new_token

    anna = users.add_user("anna", GOOD)
    text = new_token(anna, label="rig", days=1)
    assert member_of(text) == anna
    assert text not in str(list(Token.objects.values()))
    (row,) = users.token_rows("anna")
    assert row["label"] == "rig" and not row["expired"] and text not in str(row)
    assert users.revoke(row["id"]) == 1
    assert member_of(text) is None
    new_token(anna), new_token(anna)
    assert users.revoke("anna") == 2
    with pytest.raises(NotFoundError, match="neither"):
        users.revoke("ffffffff-none")


def test_another_password_ends_tokens(tables: Any) -> None:
    from fascicle.hub import users
    from fascicle.hub.rest.tokens import member_of
    from fascicle.hub.tokens import new_token

    text = new_token(users.add_user("anna", GOOD))
    users.change_password("anna", f"{GOOD} staple")
    assert member_of(text) is None


# -- backups --------------------------------------------------------------------------------------


def test_a_backup_has_all_and_is_private(tables: HubConfig, tmp_path: Path) -> None:
    from fascicle.hub.backup import back_up, last_backup

    (tables.uploads / "a.png").write_bytes(b"image")
    target = tmp_path / "monday.tar.gz"
    assert back_up(tables, target) == target.stat().st_size
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with tarfile.open(target) as tar:
        names = set(tar.getnames())
        about = json.load(tar.extractfile("about.json"))  # type: ignore[arg-type]
        tar.extractall(tmp_path / "out", filter="data")
    assert {"secret", "uploads/a.png", "about.json"} <= names
    assert about["url"] == tables.url
    if tables.sqlite is not None:
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(tmp_path / "out" / "hub.sqlite3")) as db:
            assert db.execute("SELECT count(*) FROM hub_brainregion").fetchone() == (1328,)
    else:
        assert (tmp_path / "out" / "hub.dump").read_bytes().startswith(b"PGDMP")
    last = last_backup()
    assert last is not None and time.time() - last.timestamp() < 60
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    with pytest.raises(ConfigurationError, match="already"):
        back_up(tables, target)
    with pytest.raises(ConfigurationError, match="no folder"):
        back_up(tables, tmp_path / "none" / "a.tar")


# -- what is unsafe or missing --------------------------------------------------------------------


def _said(config: HubConfig) -> str:
    return " ".join(f"{finding.level}: {finding.what};" for finding in check_place(config))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host": "0.0.0.0"}, "unsafe: the hub listens at 0.0.0.0 without TLS"),
        ({"host": "0.0.0.0", "public_url": "https://h.org"}, "unsafe: the hub listens at 0.0.0.0"),
        ({"public_url": "http://hub.lab.org"}, "unsafe: users reach the hub"),
        ({"public_url": "https://hub.lab.org"}, "note: all logins seem to come from the proxy"),
        ({"debug": True}, "unsafe: errors are shown"),
        ({"token_days": 0}, "note: tokens never expire"),
        ({"workers": 1}, "note: one process"),
        ({"database": "postgresql://hub@db.lab/lab"}, "unsafe: the connection to the database"),
        ({"folder": None}, "missing: no folder is served"),
        ({"folder": Path("/nowhere")}, "missing: the folder /nowhere cannot be read"),
    ],
)
def test_what_is_unsafe_or_missing_is_said(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    config = _safe(tmp_path)
    assert said not in _said(config)
    assert said in _said(replace(config, **change))


def _safe(folder: Path) -> HubConfig:
    config = load_config(folder)
    secret_key(config.state)
    config.state.chmod(0o700)
    return config


def test_a_safe_hub_is_not_called_unsafe(tmp_path: Path) -> None:
    found = _said(replace(_safe(tmp_path), public_url="https://hub.lab.org", proxies=1))
    assert "unsafe" not in found


def test_files_that_others_may_read_are_named(tmp_path: Path) -> None:
    config = _safe(tmp_path)
    config.state.chmod(0o755)
    (config.state / "secret").chmod(0o644)
    assert f"others of this machine may reach {config.state / 'secret'}" in _said(config)
    (config.state / "secret").write_text("short")
    assert "secret is short" in _said(config)


def test_a_database_is_looked_at(tables: HubConfig) -> None:
    from fascicle.hub.checking import check
    from fascicle.hub.users import change_password

    found = " ".join(finding.what for finding in check(tables))
    assert "there is no backup" in found
    assert "still has the password of the first start" in found
    change_password("admin", GOOD)
    found = " ".join(finding.what for finding in check(tables))
    assert "still has the password of the first start" not in found


def test_missing_files_are_noticed(django_hub: HubConfig) -> None:
    from django.db.models import F, Value
    from django.db.models.functions import Concat

    from fascicle.hub.checking import check
    from fascicle.hub.models import Dataset

    assert "cannot be read" not in " ".join(finding.what for finding in check(django_hub))
    Dataset.objects.update(name=Concat(Value("other."), F("name")))
    assert "files looked at cannot be read" in " ".join(f.what for f in check(django_hub))


# -- whether a folder changed ---------------------------------------------------------------------


def test_a_folder_is_another_once_something_in_it_is(tmp_path: Path) -> None:
    session = tmp_path / "lab" / "Subjects" / "m1" / "2024-01-01" / "001"
    session.mkdir(parents=True)
    seen = {fingerprint(tmp_path)}

    def changed() -> bool:
        before = len(seen)
        seen.add(fingerprint(tmp_path))
        return len(seen) > before

    assert not changed()
    file = session / "spikes.times.npy"
    file.write_bytes(b"1")
    assert changed()
    assert not changed()
    with file.open("ab") as growing:
        growing.write(b"2")
    assert changed()
    hidden = tmp_path / ".fascicle" / "hub"
    hidden.mkdir(parents=True)
    seen.add(fingerprint(tmp_path))
    (hidden / "hub.sqlite3").write_bytes(b"1")
    assert not changed()
    file.unlink()
    assert changed()


def test_a_new_index_makes_another_folder(tmp_path: Path) -> None:
    from fascicle.catalogue import index

    session = tmp_path / "lab" / "Subjects" / "m1" / "2024-01-01" / "001"
    session.mkdir(parents=True)
    (session / "spikes.times.npy").write_bytes(b"1")
    before = fingerprint(tmp_path)
    index(tmp_path)
    assert fingerprint(tmp_path) != before
