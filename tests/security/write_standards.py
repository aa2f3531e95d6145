"""Print docs/security/standards.md: ``python -m tests.security.write_standards > docs/security/standards.md``."""

from __future__ import annotations

import os
import sys

import django


def main() -> None:
    """Print the page; its models can be imported only after Django is set up."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings_for_types"
    django.setup()
    from tests.security.standards import markdown

    sys.stdout.write(markdown())


if __name__ == "__main__":
    main()
