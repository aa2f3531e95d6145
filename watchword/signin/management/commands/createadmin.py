"""Creates or promotes a Global Administrator and prints a one-time link; there is no default password."""

import sys
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import phonenumbers
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from watchword.audit.console import console_origin
from watchword.core.codes import shown_link_code
from watchword.core.usernames import InvalidSignInName, name_key
from watchword.directory import actions
from watchword.directory.models import Domain, Organisation, User
from watchword.directory.roles import Role
from watchword.signin.actions import give_role
from watchword.signin.invitations import DAYS, invite
from watchword.ui.addresses import link_address


class Command(BaseCommand):
    """``watchword createadmin NAME@DOMAIN``: works on the console, even if every administrator is locked out."""

    help = "Create a Global Administrator and print a one-time link by which they choose their password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument("name", help="sign-in name, such as root@example.org")
        parser.add_argument("--display-name", default="", help="how pages show the person (default: the name)")
        parser.add_argument("--organisation", default="", help="name of the organisation, if this is the first one")
        parser.add_argument(
            "--region", default="", help="country of numbers typed without a country code (ISO 3166-1, such as DE)"
        )
        parser.add_argument("--days", type=int, choices=DAYS, default=1, help="how long the link lasts (default: 1)")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Create or promote the person, and print the link once."""
        try:
            key = name_key(options["name"])
        except InvalidSignInName:
            raise CommandError(f"{options['name']!r} is no sign-in name: write it like root@example.org") from None
        now = timezone.now()
        with transaction.atomic():
            try:
                user = actions.find_by_name(key) or self._create(key, options)
            except actions.BadPerson as error:
                raise CommandError(f"nothing was made: {error}") from None
            if user.deleted_at is not None or user.blocked_at is not None:
                raise CommandError(f"{user.sign_in_name} is blocked or deleted; restore the person first")
            if Role.GLOBAL_ADMINISTRATOR not in user.roles:
                give_role(user, Role.GLOBAL_ADMINISTRATOR, by=None, origin=console_origin(), now=now)
            lifetime = timedelta(days=options["days"])
            invited = invite(user, by=None, lifetime=lifetime, origin=console_origin(), now=now)
        link = link_address("web:invitation", shown_link_code(invited.token))
        hours = 24 * options["days"]
        self.stdout.write(f"{user.sign_in_name} is a Global Administrator. Open this link within {hours} hours, once:")
        self.stdout.write(f"\n    {link}\n")
        self.stdout.write("If the page asks for a code, type what follows the #.")
        self.stdout.write("There choose a password, then sign in. Who has this link can do so: pass it on with care.")
        self.stdout.write("Administrators need a second proof. Until texts or calls work, it comes from this console:")
        self.stdout.write(f"\n    watchword code {user.sign_in_name}\n")

    def _create(self, key: str, options: dict[str, Any]) -> User:
        domain_name = key.rpartition("@")[2]
        now = timezone.now()
        domain = Domain.objects.filter(name=domain_name).select_related("organisation").first()
        if domain is not None:
            organisation = domain.organisation
        elif Organisation.objects.exists():
            known = ", ".join(Domain.objects.values_list("name", flat=True)[:5])
            raise CommandError(
                f"no organisation here has the domain {domain_name}; the domains are: {known}. "
                f"Add it first: watchword domain add {domain_name}"
            )
        else:
            organisation = actions.create_organisation(
                options["organisation"] or urlsplit(f"//{domain_name}").hostname or domain_name,
                domains=[domain_name],
                region=_region(options["region"]),
                by=None,
                origin=console_origin(),
                now=now,
            )
        return actions.create_person(
            organisation,
            sign_in_name=options["name"],
            display_name=options["display_name"] or options["name"],
            by=None,
            origin=console_origin(),
            now=now,
        )


def _region(given: str) -> str:
    """Return the country, asking for it if none is given: with a wrong one, codes would go to strangers' phones."""
    region = given
    if not region and sys.stdin.isatty():
        region = input("In which country is the organisation (two letters, such as DE, US, FR)? ")
    region = region.strip().upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        said = f"{region!r} is no country that has telephone numbers" if region else "the country is not said"
        raise CommandError(
            f"nothing was made: {said}. Add --region with two letters (ISO 3166-1), such as --region DE: numbers that "
            "people type without a country code are read there, and codes go there. It can be changed in Service "
            "settings."
        )
    return region
