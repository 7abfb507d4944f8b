"""One POST to a receiver, and what its answer means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import urllib3

from domain import metrics
from domain.errors import SinkError, SinkRefused

__all__ = ["Poster", "login"]

#: The receiver knows whom it speaks with and has read the message: it will say the same of it tomorrow. All else, a
#: login that is refused or an address that is wrong too, somebody may mend.
_REFUSED: Final = frozenset({400, 413, 422})


def login(variables: str) -> dict[str, str]:
    """Headers of basic authentication, from the variables LIFELINE_..._USER and ..._PASSWORD; none without a user."""
    user, password = (os.environ.get(f"{variables}_{what}", "") for what in ("USER", "PASSWORD"))
    return urllib3.make_headers(basic_auth=f"{user}:{password}") if user else {}


class Poster:
    """Posts to one address.

    Parameters
    ----------
    what
        Whose address it is, for people.
    label
        The same, in metrics.
    variables
        The environment variables with the user and the password begin with it.
    timeout
        Seconds for one attempt.
    attempts
        Attempts altogether; the pause doubles from a quarter of a second.
    """

    def __init__(
        self, url: str, what: str, label: str, variables: str, *, timeout: float = 10.0, attempts: int = 1
    ) -> None:
        self._url, self._what, self._label = url, what, label
        self._headers = login(variables)
        retry = urllib3.Retry(
            attempts - 1,
            redirect=False,
            backoff_factor=0.25,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,  # all that we post may come twice
            raise_on_status=False,
        )
        self._http = urllib3.PoolManager(retries=retry, timeout=timeout)

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Post a message. Raises SinkError, or SinkRefused where the message is to blame."""
        try:
            answer = self._http.request("POST", self._url, body=body, headers={**self._headers, **headers})
        except urllib3.exceptions.HTTPError as error:
            raise SinkError(f"{self._what} at {self._url} cannot be reached: {error}") from error
        metrics.SINK_RETRIES.labels(self._label).inc(len(answer.retries.history) if answer.retries else 0)
        if answer.status // 100 == 2:
            return
        words = answer.data[:500].decode(errors="replace")
        said = f"{self._what} at {self._url} answered {answer.status} {answer.reason}: {words}"
        if answer.status in _REFUSED:
            raise SinkRefused(said)
        raise SinkError(said, after=_seconds(answer.headers.get("Retry-After", "")))

    def close(self) -> None:
        """Close the connections."""
        self._http.clear()


def _seconds(text: str) -> float:
    """A pause that the receiver asks for; 0 where it names a date or nothing."""
    return min(float(text), 600.0) if text.isdecimal() else 0.0
