"""Settings of servers and of the folders their files go to, under the names of ``one.params``."""

from __future__ import annotations

from fascicle.alyx.params import (
    CACHE_DIR_DEFAULT,
    Params,
    check_cache_conflict,
    data_server_of,
    default,
    delete_params,
    get,
    get_cache_dir,
    get_default_client,
    get_params_dir,
    save,
    setup,
)

__all__ = [
    "CACHE_DIR_DEFAULT",
    "Params",
    "check_cache_conflict",
    "data_server_of",
    "default",
    "delete_params",
    "get",
    "get_cache_dir",
    "get_default_client",
    "get_params_dir",
    "save",
    "setup",
]
