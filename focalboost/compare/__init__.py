"""The command ``focalboost compare``: log loss against focal loss on any table.

``read_table`` reads the table as the command does. Importing this package imports neither pandas nor a
host: ``python -m focalboost`` must be able to say what is not installed.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from focalboost.compare._read import Refused as Refused
    from focalboost.compare._read import Table as Table
    from focalboost.compare._read import read_table as read_table

__all__ = ["Refused", "Table", "read_table"]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        from focalboost.compare import _read

        return getattr(_read, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
