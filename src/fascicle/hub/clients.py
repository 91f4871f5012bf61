"""What to type so that a client uses a hub."""

from __future__ import annotations

import shlex

from fascicle.hub.config import STATE, HubConfig
from fascicle.hub.setup import ADMIN


def setup_lines(config: HubConfig, user: str = ADMIN) -> dict[str, list[str]]:
    """Return the lines that set clients up, by client.

    Parameters
    ----------
    config : HubConfig
        The hub.
    user : str
        Who is going to use it.
    """
    url = config.url
    return {
        "fascicle, once": [f"fascicle login {url} --user {user}"],
        "fascicle, in Python": [
            "import fascicle",
            f'lab = fascicle.open("{url}")',
            "sessions = fascicle.find(archives=[lab])",
            "from fascicle.one import ONE",
            f'one = ONE(base_url="{url}", username="{user}")',
        ],
        "ONE-api, once": [
            "from getpass import getpass",
            "from one import params",
            f'params.setup("{url}", silent=True, username="{user}")',
            f'par = params.get("{url}", silent=True)',
            f'par = par.set("HTTP_DATA_SERVER", "{config.data_url}")',
            f'par = par.set("HTTP_DATA_SERVER_LOGIN", "{user}")',
            'par = par.set("HTTP_DATA_SERVER_PWD", getpass("a token of yours: "))',
            f'params.save(par, "{url}")',
        ],
        "ONE-api, after that": [
            "from one.api import ONE",
            f'one = ONE(base_url="{url}", username="{user}")',
        ],
        "A token, in place of the password": [f"fascicle hub token new {user} {which_hub(config)}"],
    }


def which_hub(config: HubConfig) -> str:
    """Return the option that tells ``fascicle hub`` which hub is meant, wherever it is typed."""
    usual = config.folder is not None and config.state == config.folder / STATE
    return f"--hub {shlex.quote(str(config.folder if usual else config.state))}"
