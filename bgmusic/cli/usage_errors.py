"""Plain words for the values that typer refuses."""

from __future__ import annotations

from typing import Any

_LONGEST = 60  # characters of a value that are quoted
_KINDS = {
    "int_parsing": "{value} is not a whole number",
    "int_parsing_size": "{value} is too large",
    "int_from_float": "{value} is not a whole number",
    "float_parsing": "{value} is not a number",
    "finite_number": "{value} is not a finite number",
    "greater_than": "{value} is not more than {gt}",
    "greater_than_equal": "{value} is less than {ge}",
    "less_than": "{value} is not less than {lt}",
    "less_than_equal": "{value} is more than {le}",
}


def usage_message(error: Any) -> str:
    """Return the message of typer's usage error, with the refused value and what is wrong with it in plain words.

    Versions of typer that check values by pydantic do not name the value: "Input should be a valid integer, unable to
    parse string as an integer". Other messages stay as they are.
    """
    message: str = error.format_message()
    problems = getattr(error.__cause__, "errors", None)
    if not callable(problems) or not error.message:
        return message
    problem = problems()[0]
    value = str(problem.get("input"))
    kind = "float_parsing" if value.lower() == "nan" else problem["type"]
    text = _KINDS.get(kind, "").format_map({"value": f"{value!r:.{_LONGEST}}"} | problem.get("ctx", {}))
    return message.replace(error.message, text or error.message.removeprefix("Value error, ").rstrip("."))
