"""The server: gunicorn with a few processes of several threads each."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import ConfigurationError, FascicleError, MissingExtraError
from fascicle.hub.config import HubConfig, load_config, with_port

if TYPE_CHECKING:
    from fascicle.hub.importing import ImportReport
    from fascicle.hub.setup import FirstStart

GRACE = 20  # seconds that requests under way have when the server stops


def serve(
    folder: str | os.PathLike[str] | None = None,
    *,
    config: HubConfig | None = None,
    first: Callable[[HubConfig, FirstStart], None] | None = None,
    imported: Callable[[ImportReport], None] | None = None,
    ready: Callable[[HubConfig], None] | None = None,
    progress: bool = False,
    **settings: Any,
) -> None:
    """Serve a folder as a lab's database until the process is told to stop.

    The tables are made or brought up to date, then what the folder's index has is imported, then
    the server answers.

    Parameters
    ----------
    folder : path, optional
        The folder.
    config : HubConfig, optional
        The settings, in place of ``folder`` and ``settings``.
    first, imported, ready : callable, optional
        Called when the tables are there, when the folder is imported, and when the server answers.
    progress : bool
        Whether to show bars.
    **settings
        See `fascicle.hub.HubConfig`.

    Raises
    ------
    ConfigurationError
        If the address is taken, or the folder for the hub's state cannot be written.
    """
    try:
        import gunicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"a hub needs {error.name}, which is not installed", hint="pip install 'fascicle[hub]'"
        ) from None
    config = config or load_config(folder, **settings)
    if config.folder is not None and not config.folder.is_dir():
        raise ConfigurationError(f"there is no folder {config.folder}")
    # The address comes first: it is what most often fails, and a port of 0 is known only then.
    with listen(config) as sock:
        # So that an import under way ends too; gunicorn has a handler of its own later.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        config = with_port(config, sock.getsockname()[1])
        with _held(config):
            seen = start(config, first=first, imported=imported, progress=progress)
            run(config, sock, seen=seen, ready=ready)


@contextmanager
def _held(config: HubConfig) -> Iterator[None]:
    """Keep other servers out of the hub's state; it is made if it is not there."""
    from fascicle.hub.lock import only_one

    try:
        config.state.mkdir(parents=True, exist_ok=True)
        lock = only_one(config.state, config.url)
        lock.__enter__()
    except ConfigurationError:
        raise
    except OSError as error:
        raise _unwritable(config, error) from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _unwritable(config: HubConfig, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"the hub cannot write its state into {config.state}: {error.strerror}",
        hint="give a folder that it may write: --state DIR",
    )


def start(
    config: HubConfig,
    *,
    first: Callable[[HubConfig, FirstStart], None] | None = None,
    imported: Callable[[ImportReport], None] | None = None,
    progress: bool = False,
) -> str:
    """Make everything that is there before the server answers; see `serve`.

    Returns
    -------
    str
        The fingerprint of the folder before the import, for `run`.
    """
    from fascicle.hub.fingerprint import fingerprint
    from fascicle.hub.last import remember
    from fascicle.hub.setup import first_start, migrate
    from fascicle.hub.watching import import_apart

    try:
        migrate(config)
    except FascicleError:
        raise
    except OSError as error:
        raise _unwritable(config, error) from error
    remember(config)
    made = first_start(config)
    if first is not None:
        first(config, made)
    if config.folder is None:
        return ""
    seen = fingerprint(config.folder)
    report = import_apart(config, progress=progress)
    if imported is not None:
        imported(report)
    return seen


def listen(config: HubConfig) -> socket.socket:
    """Return a socket that listens at the hub's address.

    Raises
    ------
    ConfigurationError
        If the address is taken or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((config.host, config.port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise ConfigurationError(
            f"cannot listen at {config.host}, port {config.port}: {error.strerror or error}",
            hint="choose another: --port 0 takes any that is free",
        ) from error
    sock.set_inheritable(True)
    return sock


def run(
    config: HubConfig,
    sock: socket.socket,
    *,
    seen: str = "",
    ready: Callable[[HubConfig], None] | None = None,
) -> None:
    """Answer requests at a socket until SIGTERM or SIGINT; those under way are answered.

    Parameters
    ----------
    config : HubConfig
        The settings.
    sock : socket.socket
        A socket that listens.
    seen : str
        The fingerprint of the folder that was imported; what changes is imported meanwhile.
    ready : callable, optional
        Called when the server answers.
    """
    from fascicle.hub.watching import watch

    watcher = watch(config, seen)
    me = os.getpid()
    try:
        # Gunicorn takes the socket over, and closes it.
        _Server(config, sock.detach(), ready).run()
    except SystemExit as end:
        if os.getpid() != me:
            # One of gunicorn's workers: what follows is its parent's to do.
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 0)
        if end.code:
            raise
    finally:
        if watcher is not None:
            watcher.stop()


def _Server(config: HubConfig, descriptor: int, ready: Callable[[HubConfig], None] | None) -> Any:
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):
        """Gunicorn without its command line."""

        def load_config(self) -> None:
            for key, value in options(config, descriptor).items():
                self.cfg.set(key, value)
            if ready is not None:
                self.cfg.set("when_ready", lambda _server: ready(config))

        def load(self) -> Any:
            from fascicle.hub.wsgi import make_application, warm_up

            application = make_application(config)
            warm_up(application)
            return application

    return Server()


def options(config: HubConfig, descriptor: int) -> dict[str, Any]:
    """Return gunicorn's settings."""
    from fascicle.hub.worker import CONNECTIONS, Worker

    beside = Path("/dev/shm")  # noqa: S108 - gunicorn makes a file of its own name there
    return {
        "bind": f"fd://{descriptor}",
        "worker_class": Worker,
        "workers": config.workers,
        "threads": CONNECTIONS,  # those that look into the database are `config.threads`
        "forwarder_headers": "",  # no client says what the path is but by the path
        "preload_app": True,  # processes share what was loaded before they were made
        "graceful_timeout": GRACE,
        "timeout": 60,
        "keepalive": 15,
        "limit_request_line": 8190,  # a list of ids in an address; the most that Apache takes
        "worker_tmp_dir": str(beside) if os.access(beside, os.W_OK) else None,
        "proc_name": "fascicle-hub",
        "errorlog": "-",
        "loglevel": "warning",
        "accesslog": None,
        "control_socket_disable": True,
    }
