"""The errors that users meet: each says what came, why it cannot be, and what to do."""

from __future__ import annotations


class RlmemError(Exception):
    """Something outside the program's control failed; the command line prints the message and exits with 1."""

    exit_code = 1


class UsageError(RlmemError, ValueError):
    """A flag, keyword or configuration value cannot be; the command line prints the message and exits with 2."""

    exit_code = 2


def check(condition: bool, message: str) -> None:
    """Raise `UsageError` unless the condition holds.

    Args:
        condition: what must be true of the user's value.
        message: what came, why it cannot be, what to do instead.
    """
    if not condition:
        raise UsageError(message)


def flag(name: str) -> str:
    """A configuration field as the command line writes it: `max_span` is `--max-span`."""
    return "--" + name.replace("_", "-")
