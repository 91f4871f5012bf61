"""Logging in to a server, and out of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fascicle import settings
from fascicle.alyx import credentials, params
from fascicle.alyx.credentials import Login
from fascicle.alyx.http import Wire
from fascicle.alyx.response import Response, catchable, failure, in_words, no_database
from fascicle.alyx.secret import Secret, joined
from fascicle.errors import ConfigurationError, HTTPError, LoginError, LoginNeeded, ServerError

logger = logging.getLogger(__name__)

#: The version of the ONE interface that is spoken.
API_VERSION = "3.6.1"


class LoginMixin:
    """What a client knows of its login.

    Attributes
    ----------
    base_url : str
        The server.
    user : str or None
        Who is logged in.
    silent : bool
        Whether nothing is printed and nobody asked.
    """

    base_url: str
    silent: bool
    user: str | None = None
    _token: dict[str, Secret] | None = None
    _password: tuple[str, Secret] | None = None
    _par: params.Params
    _stay: bool
    _wire: Wire
    _login_lock: threading.RLock

    @property
    def is_logged_in(self) -> bool:
        """Whether a user and a token are known."""
        return bool(self.user and self._token)

    @property
    def _base_headers(self) -> dict[str, str]:
        from fascicle import __version__

        return {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "ONE-API-Version": API_VERSION,
            "User-Agent": f"fascicle/{__version__}",
        }

    @property
    def _headers(self) -> dict[str, str]:
        """The headers of a request; the token among them does not show."""
        known = self._token  # another thread may change it
        if not known:
            return self._base_headers
        return {**self._base_headers, "Authorization": joined("Token ", known["token"])}

    def authenticate(
        self,
        username: str | None = None,
        password: str | None = None,
        cache_token: bool = True,
        force: bool = False,
        token: str | Mapping[str, str] | None = None,
    ) -> None:
        """Log in.

        What is not given comes from the environment (``FASCICLE_ALYX_USER``,
        ``FASCICLE_ALYX_PASSWORD``, ``FASCICLE_ALYX_TOKEN``), from the settings of ONE and the
        tokens kept there, from the public account where the server has one, and last, at a
        terminal, from whoever sits there.

        Parameters
        ----------
        username, password : str, optional
        cache_token : bool
            Keep the token in the settings, for later programs; never one of the environment.
        force : bool
            Use no token that was kept.
        token : str or mapping, optional
            In place of a password; the server says whose it is.

        Raises
        ------
        LoginNeeded
            If something is missing, and nobody can be asked.
        LoginError
            If the server does not take what it is given.
        ServerError
            If the server does not answer.
        """
        given = token.get("token") if isinstance(token, Mapping) else token
        login = Login(username or None, Secret.of(password), Secret.of(given))
        del username, password, token, given
        with self._login_lock:
            self._log_in(login, keep=cache_token and self._stay, force=force)

    def _log_in(self, login: Login, *, keep: bool, force: bool, hasty: bool = False) -> None:
        explicit = bool(login.password or login.token)
        if not explicit:
            env = credentials.from_environment(self.base_url)
            if login.username in (None, env.username):
                keep = keep and not (env.password or env.token)
                login = env._replace(username=login.username or env.username)
        if login.token is not None:
            self._use_token(login, keep=keep)
            return
        username = login.username or self._known_user(login.password)
        if username is None and not self.silent and credentials.can_ask():
            username = credentials.ask_username(self.base_url)
        if username is None:
            raise self._needed(f"no user name is known for {self.base_url}")
        if not explicit and not force:
            kept = self._kept_token(username)
            if kept is not None:
                self.user, self._token = username, {"token": kept}
                return
        password = login.password or self._known_password(username)
        if password is None:
            if self.silent or not credentials.can_ask():
                raise self._needed(f'no password or token of "{username}" is known')
            asked = credentials.ask_password(self.base_url, username)
            if asked.token is not None:
                self._use_token(asked, keep=keep)
                return
            password = asked.password
        if password is None:
            raise self._needed(f'no password of "{username}" was given')
        token = self._fetch_token(username, password, hasty=hasty)
        self._password = username, password
        self._adopt(username, token, keep=keep)

    def _needed(self, what: str) -> HTTPError | ServerError:
        """Return what to raise where a login is missing, or where no server wants one."""
        return self._no_server() or self._login_needed(what)

    def _login_needed(self, what: str) -> LoginNeeded:
        why = "" if self.silent else ", and there is no terminal to ask at"
        return catchable(
            LoginNeeded(f"{what}{why}", hint=credentials.HOW.format(url=self.base_url))
        )

    def _no_server(self) -> HTTPError | ServerError | None:
        """Return what is wrong with the address, None if a database may well be there.

        Who mistyped it should not be sent to look for a password.
        """
        if settings.offline() or self._wire.answered:
            return None
        try:
            headers = self._base_headers
            response = self._wire.ask(
                "GET", "/auth-token", headers=headers, hasty=True, as_json=False
            )
        except ServerError as error:
            return error
        if response.is_page and response.status_code in (200, 404):
            return no_database("GET", "/auth-token", response, self.base_url)
        return None

    def _known_user(self, password: Secret | None = None) -> str | None:
        """Return who is to be logged in where nobody says; nothing is asked."""
        if password is not None:
            public = credentials.public_user(self.base_url, password)
            if public is not None:
                return public
        return (
            self.user
            or credentials.from_environment(self.base_url).username
            or self._par.get("ALYX_LOGIN")
            or credentials.public_user(self.base_url, password)
            or credentials.user_of(password)
        )

    def _kept_token(self, username: str) -> Secret | None:
        known = self._par.get("TOKEN")
        known = known.get(username) if isinstance(known, dict) else None
        values = list(known.values()) if isinstance(known, dict) else [known]
        return values[0] if values and isinstance(values[0], Secret) and values[0] else None

    def _known_password(self, username: str) -> Secret | None:
        if self._password is not None and self._password[0] == username:
            return self._password[1]
        if self._par.get("ALYX_PWD") and self._par.get("ALYX_LOGIN") in ("", None, username):
            return Secret.of(self._par["ALYX_PWD"])
        return credentials.public_password(self.base_url, username)

    def _fetch_token(self, username: str, password: Secret, *, hasty: bool) -> Secret:
        """Get a token for a password."""
        kind = "application/x-www-form-urlencoded"
        response = self._wire.ask(
            "POST",
            "/auth-token",
            headers={**self._base_headers, "Content-Type": kind},
            body=Secret(urlencode({"username": username, "password": password.reveal()})),
            safe=True,
            hasty=hasty,
            as_json=False,
        )
        if response.status_code == 400:
            text = f'{self.base_url} does not take the password of "{username}"'
            said = in_words(response.detail)
            raise catchable(
                LoginError(
                    f"{text}: {said}" if said else text,
                    hint="give another, as password=, or log in anew in a terminal: "
                    f"fascicle login {self.base_url} --user {username}",
                    status=400,
                    query="/auth-token",
                    detail=response.detail,
                    response=response,
                )
            )
        try:
            found = response.json()
        except ValueError:
            found = None
        token = found.get("token") if isinstance(found, dict) and response.ok else None
        if response.is_page and response.status_code in (200, 404, 405, 501):
            raise no_database("POST", "/auth-token", response, self.base_url)
        if not (isinstance(token, str) and token):
            raise failure("POST", "/auth-token", _without_token(response))
        return Secret(token)

    def _use_token(self, login: Login, *, keep: bool) -> None:
        """Log in with a token, once the server said whose it is."""
        assert login.token is not None
        username = self._owner(login.token, login.username)
        self._adopt(username, login.token, keep=keep)

    def _owner(self, token: Secret, username: str | None) -> str:
        headers = {**self._base_headers, "Authorization": joined("Token ", token)}
        response: Response | None
        try:
            response = self._wire.ask("GET", "/me", headers=headers, as_json=False, hasty=True)
        except ServerError as error:
            if username is None:
                raise
            logger.debug("the token could not be tried: %s", error.message)
            return username
        if response.status_code in (401, 403):
            whose = f' of "{username}"' if username else ""
            raise catchable(
                LoginError(
                    f"{self.base_url} does not take the token{whose}: {in_words(response.detail)}",
                    hint=f"{self.base_url}/me shows the one that is good",
                    status=response.status_code,
                    query="/me",
                    detail=response.detail,
                    response=response,
                )
            )
        try:
            said = response.json()
        except ValueError:  # older servers have no such page, or one for people
            said = None
        owner = said.get("username") if isinstance(said, dict) and response.ok else None
        if isinstance(owner, str) and owner:
            if username is not None and owner != username:
                logger.warning('the token is of "%s", not of "%s"', owner, username)
            return owner
        if username is None:
            raise self._needed(f"{self.base_url} does not say whose the token is")
        return username

    def _adopt(self, username: str, token: Secret, *, keep: bool) -> None:
        self.user, self._token = username, {"token": token}
        if keep:
            try:
                params.save_token(self.base_url, username, token)
            except ConfigurationError as error:  # a login that cannot be kept is still one
                logger.warning("the token is not kept for other programs: %s", error.message)
            self._par = self._par.set(
                "TOKEN", {**(self._par.get("TOKEN") or {}), username: {"token": token}}
            )
            if not self._par.get("ALYX_LOGIN"):
                self._par = self._par.set("ALYX_LOGIN", username)
        line = f'Connected to {self.base_url} as user "{username}"'
        logger.info("%s", line)
        if not self.silent:
            print(line)
        if credentials.is_public_account(self.base_url, username):
            note = f'"{username}" is the public account of this server: it can read, and not write'
            logger.info("%s", note)
            if not self.silent:
                print(note)

    def _ensure_login(self, *, hasty: bool = False) -> None:
        """Log in if that was not done yet."""
        if not self.is_logged_in:
            with self._login_lock:
                if not self.is_logged_in:
                    self._log_in(Login(self.user), keep=self._stay, force=False, hasty=hasty)

    def _used_token(self) -> Secret | None:
        """Return the token that a request is about to be made with."""
        known = self._token
        return known["token"] if known else None

    def _log_in_again(self, refused: Secret | None) -> bool:
        """Get another token in place of one that is refused; return whether there is one."""
        with self._login_lock:
            if self._used_token() not in (None, refused):
                return True  # another thread did
            username = self.user
            if username is None:
                return False
            self._par = self._par.set("TOKEN", params.get(self.base_url).get("TOKEN") or {})
            kept = self._kept_token(username)
            if kept is not None and kept != refused:
                self._token = {"token": kept}  # another program did
                return True
            if kept is not None:
                params.save_token(self.base_url, username, None)
                self._par = self._par.set("TOKEN", {})
            try:
                self._log_in(Login(username), keep=self._stay, force=True)
            except HTTPError as error:
                self._token = None
                if not isinstance(error, LoginNeeded):
                    logger.warning("the login could not be renewed: %s", error.message)
            return self._used_token() not in (None, refused)

    def _forget(self) -> None:
        """Forget the login, here and in the settings."""
        with self._login_lock:
            if self.user is not None:
                params.save_token(self.base_url, self.user, None)
                tokens: dict[str, Any] = dict(self._par.get("TOKEN") or {})
                tokens.pop(self.user, None)
                self._par = self._par.set("TOKEN", tokens)
            self.user, self._token, self._password = None, None, None


def _without_token(response: Response) -> Response:
    """Return an answer without its body, if a token may be in it."""
    if response.ok and not response.is_page:
        return Response(response.status_code, response.headers, b"", response.url)
    return response
