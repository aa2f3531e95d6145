"""The console command that lists, adds and removes mail domains, and creates a further organisation."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from watchword.core.usernames import InvalidSignInName, domain_key
from watchword.directory.actions import BadPerson, create_organisation
from watchword.directory.domains import BadDomain, add_domain, number_of_names, remove_domain
from watchword.directory.models import Domain, Organisation

_WHY_NOT = {
    "domain": "that is no domain: write it like example.org",
    "taken": "an organisation here has this domain already",
    "unknown": "no organisation here has this domain",
    "primary": "this is the first domain of its organisation, and stays",
    "in_use": "people have names in this domain: rename them first",
}


class Command(BaseCommand):
    """The command ``watchword domain add|remove|list``, for the mail domains of organisations."""

    help = "List, add or remove mail domains; with --new-organisation make a further organisation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument("what", choices=("list", "add", "remove"))
        parser.add_argument("name", nargs="?", default="", help="a domain, such as example.org")
        parser.add_argument("--beside", default="", help="a domain of the organisation, where there are several")
        parser.add_argument("--new-organisation", default="", metavar="NAME", help="make an organisation of this name")
        parser.add_argument("--region", default="", help="its country, for numbers without a country code (ISO 3166-1)")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """List, add or remove; raise CommandError with the reason if that is impossible."""
        try:
            match options["what"]:
                case "list":
                    self._list()
                case "add":
                    self._add(options)
                case _:
                    self._remove(options["name"])
        except BadDomain as error:
            raise CommandError(_WHY_NOT[error.reason]) from None

    def _list(self) -> None:
        for domain in Domain.objects.select_related("organisation").order_by("organisation", "-is_primary", "name"):
            first = ", the first" if domain.is_primary else ""
            self.stdout.write(f"{domain.name}: {domain.organisation.name}{first}, {number_of_names(domain)} names")

    def _add(self, options: dict[str, Any]) -> None:
        now = timezone.now()
        if options["new_organisation"]:
            if not options["region"]:
                raise CommandError("say the new organisation's country by --region, such as --region DE")
            try:
                create_organisation(
                    options["new_organisation"],
                    domains=[options["name"]],
                    region=options["region"].upper(),
                    by=None,
                    now=now,
                )
            except BadPerson as error:
                reason = error.reasons.get("domains", "")
                raise CommandError(_WHY_NOT.get(reason, f"{options['region']} is no country")) from None
        else:
            add_domain(_organisation(options["beside"]), options["name"], by=None, now=now)
        self.stdout.write(f"{options['name']} belongs to it now. See also: watchword createadmin")

    def _remove(self, name: str) -> None:
        domain = _find(name)
        remove_domain(domain.organisation, domain.name, by=None, now=timezone.now())
        self.stdout.write(f"{domain.name} is removed.")


def _organisation(beside: str) -> Organisation:
    if beside:
        return _find(beside).organisation
    several = list(Organisation.objects.all()[:2])
    if len(several) != 1:
        raise CommandError(
            "there are several organisations: name a domain of the right one by --beside"
            if several
            else "there is no organisation yet: begin with `watchword createadmin`"
        )
    return several[0]


def _find(name: str) -> Domain:
    try:
        found = Domain.objects.filter(name=domain_key(name)).select_related("organisation").first()
    except InvalidSignInName:
        raise BadDomain("domain") from None
    if found is None:
        raise BadDomain("unknown")
    return found
