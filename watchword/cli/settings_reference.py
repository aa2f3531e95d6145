"""`watchword settings`: prints the current value of every setting, or the page docs/settings.md; needs no database."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from watchword.config.environment import Problem, SettingValue, inspect_environment
from watchword.config.setting_definitions import ALL, SECTIONS, Process, Setting

PROCESSES: Mapping[Process, str] = {
    Process.WEB: "`watchword serve web`: pages, sign-ins in browsers",
    Process.MAIL: "`watchword serve mail`: answers mail servers",
    Process.WORKER: "`watchword serve worker`: warnings, alerts, housekeeping",
    Process.PHONES: "`watchword serve phones`: texts and calls",
    Process.COMMANDS: "commands, such as `check`, `createadmin`, `mail-config`",
}

_PAGE = """\
# Settings

<!-- Written by `watchword settings --markdown`; a test holds it to the definitions that the program reads. -->

Watchword reads its settings from environment variables when a process starts; a change needs a restart. Every process
reads and checks all of them, reports every mistake at once and then doesn't start. A variable that begins with
`WATCHWORD_` and is not listed here is a mistake as well, so that a misspelt name is found.

- **What holds now:** `watchword settings` prints each setting, where it comes from (environment, file or default) and
  its value. Secrets are hidden, also within addresses. It needs no database, and lists the mistakes too; then its exit
  status is 1.
- **Values in files:** each setting can be given by a file instead: `WATCHWORD_X_FILE` names the file that holds the
  value of `WATCHWORD_X`. Only its owner may have access to it (`chmod 400`). Use this for the settings marked *secret*.
- **Yes and no** may also be `true` and `false`, `on` and `off`, `1` and `0`.

What an organisation allows (countries, channels, budgets, networks) is set in the admin center instead, for each
organisation; see [Service settings](admin/service-settings.md) and [Limits](limits.md).

The processes in which a setting has an effect are:

{processes}

{overview}
{sections}
## Other variables

`XDG_STATE_HOME` and `HOME` place the default of `WATCHWORD_HOME`. For PostgreSQL, libpq's own variables hold where
`WATCHWORD_DATABASE_URL` leaves something open, `PGSSLMODE` and `PGSSLROOTCERT` among them. Watchword reads no others.
"""


def settings(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the command; return 0 if all settings are valid, 1 if one is not, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="watchword settings",
        description="Print every setting, where it comes from and its value. Secrets are hidden.",
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print the reference of all settings (docs/settings.md)"
    )
    options = parser.parse_args(arguments)
    if options.markdown:
        sys.stdout.write(markdown())
        return 0
    values, problems = inspect_environment(variables)
    sys.stdout.write(_report(values, problems))
    return 1 if problems else 0


def markdown() -> str:
    """Return the page ``docs/settings.md``."""
    return _PAGE.format(
        processes="\n".join(f"- *{process}*: {words}" for process, words in PROCESSES.items()),
        overview="\n".join(_overview()),
        sections="\n".join(f"## {title}\n\n" + "\n".join(map(_entry, section)) for title, section in SECTIONS.items()),
    )


def _report(values: Sequence[SettingValue], problems: Sequence[Problem]) -> str:
    rows = [(value.setting.variable, value.source, value.shown or "-") for value in values]
    names, sources = (max(len(row[column]) for row in rows) for column in range(2))
    lines = [f"{name:<{names}}  {source:<{sources}}  {shown}" for name, source, shown in rows]
    if problems:
        lines += ["", "Mistakes:", *(f"  - {problem}" for problem in problems)]
    return "\n".join(map(_printable, lines)) + "\n"


def _printable(line: str) -> str:
    """Return a line without control characters, which a terminal would execute, and without undecodable bytes."""
    return "".join(character if character.isprintable() else "�" for character in line)


def _overview() -> list[str]:
    lines = ["| setting | default | processes |", "|---|---|---|"]
    for section in SECTIONS.values():
        for setting in section:
            link = f"[`{setting.variable}`](#{setting.variable.lower()})"
            lines.append(f"| {link} | {_default(setting)} | {_processes(setting)} |")
    return [*lines, ""]


def _entry(setting: Setting[Any]) -> str:
    example = setting.example if setting.example.startswith("WATCHWORD_") else f"{setting.variable}={setting.example}"
    lines = [
        f"### {setting.variable}",
        "",
        setting.meaning,
        "",
        f"- Value: {setting.expected}",
        f"- Default: {_default(setting)}",
        f"- Example: `{example}`",
        f"- Processes: {_processes(setting)}",
    ]
    if setting.is_secret:
        lines.append(f"- Secret: better given by `{setting.file_variable}`; `watchword settings` hides it")
    return "\n".join([*lines, ""])


def _default(setting: Setting[Any]) -> str:
    if setting.default_note:
        return setting.default_note
    default = f"`{setting.default.replace('{HOME}', 'WATCHWORD_HOME')}`" if setting.default else "none"
    if setting.is_required:
        default = "none: it must be set"
    return f"{default}; in the demo `{setting.demo_default}`" if setting.demo_default else default


def _processes(setting: Setting[Any]) -> str:
    return "all" if setting.processes == ALL else ", ".join(setting.processes)
