"""Settings that may change while an app sends, read as `app.conf` gives them, in a fraction of its time."""

from __future__ import annotations

from typing import Any


class Live:
    """Reads one setting of an app.

    Celery's own look takes some microseconds: it tries each of the setting's names in each mapping, and raises an
    exception for each that fails.
    """

    def __init__(self, app: Any, name: str) -> None:
        self._app = app
        self._name = name
        self._conf: Any = None
        self._names: tuple[str, ...] = ()

    def __call__(self) -> Any:
        conf = self._app.conf
        if conf is not self._conf:
            getattr(conf, self._name)  # Celery reads the team's configuration with the first setting
            self._names = conf._to_keys(self._name)
            self._conf = conf
        for mapping in conf.maps:
            for name in self._names:
                if name in mapping:
                    return mapping[name]
        return getattr(conf, self._name)
