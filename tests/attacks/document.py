"""Write docs/security/attacks.md from the tests: ``python -m tests.attacks.document > docs/security/attacks.md``.

A test belongs to an attack by its name, ``test_otp_01_…``. Its claim is the first line of its docstring, or else the
rest of its name in words.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"test_([a-z]{3})_(\d{2})_(\w+)")

REQUIRED: dict[str, int | range | tuple[int, ...]] = {
    "OTP": (*range(1, 19), 20, 21, 22),
    "BRU": (*range(1, 7), 8, 9, 10, 13, 15),
    "STP": (*range(1, 9), 10, 11, 12),
    "ENR": 17,
    "APP": (*range(1, 17), 18),
    "ENU": (*range(1, 6), 7, 8, 9, 10),
    "FLD": 14,
    "SES": (*range(1, 9), 10, 11, 12, 13, 14),
    "RED": 3,
    "OID": 30,
    "TEN": 1,
    "HST": 1,
    "XFF": 1,
    "NGX": (1, 2, 3, 5),
    "LOG": 3,
    "UNI": 4,
    "INJ": 2,
    "CSV": 4,
}
"""The ids that must have a test or a reason: a number means the ids from 01 up to it, a tuple exactly these ids."""

DOES_NOT_APPLY = {
    "BRU-10": "Codes of eight digits are not needed: who tries one code at 5,000 accounts knows 5,000 passwords. Each "
    "such sign-in that is not finished warns its owner, raises an alert, has three codes with five tries each, and a "
    "hundred wrong codes in a row lock for good. Expected: one hit in a million tries.",
    "BRU-15": "There is no cache: counts lie in the database, and without it nobody comes in.",
    "OTP-12": "There are no codes from an app (TOTP) yet.",
    "OTP-13": "There are no codes from an app (TOTP) yet.",
    "OTP-14": "There are no codes from an app (TOTP) yet.",
    "OTP-15": "There are no codes from an app (TOTP) yet.",
    "OTP-21": "Nothing is seeded in a process: every code comes from the operating system's generator.",
    "STP-07": "There is one kind of second factor that people register yet.",
    "STP-11": "No browser is remembered as a second proof: one that is known spares its owner a warning and no more.",
    "ENU-07": "There are no passkeys yet.",
    "SES-07": "No browser is remembered as a second proof.",
    "SES-08": "No browser is remembered as a second proof.",
    "SES-12": "No browser is remembered as a second proof.",
    "ENR-11": "One number of a whole office is honest. What is sent to one number is bounded (FLD-03); the panel names "
    "who shares it.",
    "ENR-14": "There are no codes from an app (TOTP) yet.",
    "ENR-15": "There are no passkeys yet.",
    "ENR-17": "There are no recovery codes: a Temporary Access Pass, or the server's console, stands in.",
}

KNOWN = {
    "Whoever can forge the telephone system's address on its own network can key digits into a call (RTP is looked at "
    "by address alone).": "SRTP comes later; docs/operating/phones.md says to keep that way within one's own network.",
    "Clear-Site-Data at sign-out names the cache and the storage, not the cookies.": "They end one by one: the one by "
    "which a browser is known must stay (test_signing_out_clears_what_the_browser_kept).",
    "Extensions are dialled after the pick-up.": "Six digits and pauses at most: dialling out (DISA) needs a star, a "
    "hash sign or a whole number (test_a_number_that_can_not_serve_is_refused_before_anything_is_sent).",
    "A session that a trusted network excused goes on when the laptop is taken home.": "It ends after its idle hour or "
    "day, with a role, and with the network; before something dangerous the code is asked for anyway.",
}
"""Known weaknesses that are accepted for now, each with the reason."""

DOORS = {"mail": "mail", "admincenter": "admin center", "portal": "portal", "browser": "browser", "races": "all"}


ACCEPTED = {
    "ASVS 7.5.2, ending a session asks for no fresh proof": (
        "It only takes away. Whoever sits at an open browser could sign the owner out elsewhere and no more, and an "
        "owner who ends a thief's session must not lose a minute to a code. Freezing an app password is the same."
    ),
    "ASVS 6.5.1, a *This wasn't me* link lasts seven days": (
        "It only takes away, works once, and sets no password: that needs a code to a phone that was there before. "
        "People are on leave."
    ),
}
"""Findings of a standard or a penetration test that are accepted as they are, each with the reason."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the page: an attack, the claim of one test about it, the test, and the door."""

    attack: str
    claim: str
    test: str
    door: str


def required() -> list[str]:
    """Return every id that needs a test or a reason."""
    found = []
    for family, which in REQUIRED.items():
        numbers = range(1, which + 1) if isinstance(which, int) else which
        found += [f"{family}-{number:02d}" for number in numbers]
    return found


def lines() -> list[Line]:
    """Return the claims of the tests, in the order of the ids."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        relative = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (match := NAME.fullmatch(node.name)):
                said = (ast.get_docstring(node) or "").split("\n")[0].rstrip(".")
                claim = said or match[3].replace("_", " ")
                attack = f"{match[1].upper()}-{match[2]}"
                found.append(
                    Line(attack, claim[:1].upper() + claim[1:], f"{relative}::{node.name}", _door(relative, node))
                )
    return sorted(found, key=lambda line: (line.attack, line.test))


def missing() -> list[str]:
    """Return the ids that have neither a test nor a reason."""
    answered = {line.attack for line in lines()} | set(DOES_NOT_APPLY)
    return [attack for attack in required() if attack not in answered]


def page() -> str:
    """Return the whole page."""
    rows = [f"| {line.attack} | {line.claim} | `{line.test}` | {line.door} |" for line in lines()]
    reasons = [f"| {attack} | {reason} |" for attack, reason in sorted(DOES_NOT_APPLY.items())]
    return "\n".join(
        [
            "# Attacks, and the tests that stand against them",
            "",
            "Made from the tests by `python -m tests.attacks.document`; a test of its own keeps this page current.",
            "",
            "| id | claim | test | door |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "## Ids that don't apply",
            "",
            "| id | why |",
            "| --- | --- |",
            *reasons,
            "",
            "## Left as it is, and why",
            "",
            "| what | why |",
            "| --- | --- |",
            *(f"| {what} | {why} |" for what, why in sorted(ACCEPTED.items())),
            "",
            "## Known, and left",
            "",
            "| what | why |",
            "| --- | --- |",
            *[f"| {what} | {why} |" for what, why in KNOWN.items()],
            "",
        ]
    )


def _door(path: str, node: ast.FunctionDef) -> str:
    body = ast.unparse(node)
    at = {part for part in path.split("/") if part in DOORS}
    if at & {"mail"} or "one_shot" in path or "Door.MAIL" in body or "one_shot" in body or "use_mail" in body:
        return "mail"
    return next((DOORS[part] for part in DOORS if part in at), "web")


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201  (a command)
