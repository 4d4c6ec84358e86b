r"""Cells of tables for people: what a spreadsheet would run, or a terminal obey, is escaped, and can be read back.

The rule. A cell that starts with one of = + - @ ' or a tab or a carriage return, or that holds a control character
anywhere, is written as an apostrophe and then the text, in which a backslash is \\ and a control character \xhh, or
\uhhhh. Other cells are written as they are. To read a cell back, leave those alone that do not start with
an apostrophe; of the others drop it, and undo the backslashes.

Why: spreadsheets run cells that start with = + - @ as formulas, and take an apostrophe to mean text
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import re

_RUN = "=+-@'\t\r"
_CONTROL = "\x00-\x1f\x7f-\x9f"  # C0 and C1
_NOT_TEXT = "\ud800-\udfff"  # bytes of a path that are not UTF-8
_WRITTEN = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4}))")


def escape(text: str, keep_bytes: bool = False) -> str:
    """A text as a cell.

    Args:
      text: any.
      keep_bytes: leave bytes of paths that are no text as they are, for a table that is itself written byte by byte.
    """
    escaped = re.compile(f"[{_CONTROL}{'' if keep_bytes else _NOT_TEXT}]")
    if text[:1] not in tuple(_RUN) and not escaped.search(text):
        return text
    return "'" + escaped.sub(lambda found: _code(found[0]), text.replace("\\", "\\\\"))


def unescape(cell: str) -> str:
    """The inverse of `escape`."""
    if not cell.startswith("'"):
        return cell
    return _WRITTEN.sub(lambda found: chr(int("".join(filter(None, found.groups())) or "5c", 16)), cell[1:])


def _code(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"
