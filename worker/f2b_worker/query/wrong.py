"""What somebody asks for cannot be asked for like that."""

from __future__ import annotations


class WrongSetting(ValueError):
    """What somebody wrote is wrong, or more has to be said; its text is one line for him.

    Attributes:
        setting: Which option or field it is, as the command calls it, without dashes; empty: several, or none.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting
