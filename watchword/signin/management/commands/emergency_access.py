"""Makes, lists, renews and gives up emergency access accounts on the server's console."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from watchword.audit.console import console_origin
from watchword.core.usernames import InvalidSignInName, name_key
from watchword.directory import actions
from watchword.directory.models import Domain, Organisation, User
from watchword.signin import emergency_access
from watchword.signin.emergency_access import EmergencyAccount, ForbiddenForOrdinaryAccount

_REASONS = {
    "sign_in_name": "the name can't be given",
    "contact_mail": "--contact-mail is no mail address",
    "display_name": "the display name can't be shown",
}


class Command(BaseCommand):
    """The command ``watchword emergency-access create|list|renew|end``."""

    help = "Make, list, renew or give up an account for the time when no administrator can sign in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument("what", choices=("create", "list", "renew", "end"))
        parser.add_argument("name", nargs="?", default="", help="sign-in name, such as emergency1@example.org")
        parser.add_argument("--contact-mail", default="", help="who reads the warnings about the account (create)")
        parser.add_argument("--display-name", default="", help="how pages show it (create; default: Emergency access)")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Do what is asked; raise CommandError with the reason if that is impossible."""
        if options["what"] == "list":
            self._list()
            return
        try:
            key = name_key(options["name"])
        except InvalidSignInName:
            given = options["name"] or "no name"
            raise CommandError(f"{given!r} is no sign-in name: write it like emergency1@example.org") from None
        match options["what"]:
            case "create":
                self._create(key, options)
            case "renew":
                self._renew(_existing(key))
            case _:
                self._end(_existing(key))

    def _create(self, key: str, options: dict[str, Any]) -> None:
        if actions.find_by_name(key) is not None:
            raise CommandError(
                f"there is a person by the name {key} already; choose another name: the account belongs to nobody"
            )
        if not options["contact_mail"]:
            raise CommandError(
                "nothing was made: say by --contact-mail who reads the warnings about the account, such as "
                "security@example.org"
            )
        domain = Domain.objects.filter(name=key.rpartition("@")[2]).select_related("organisation").first()
        if domain is None:
            raise CommandError(_no_domain(key))
        try:
            made = emergency_access.create(
                domain.organisation,
                sign_in_name=options["name"],
                display_name=options["display_name"] or "Emergency access",
                contact_mail=options["contact_mail"],
                by=None,
                origin=console_origin(),
                now=timezone.now(),
            )
        except actions.BadPerson as error:
            said = ", ".join(f"{_REASONS.get(field, field)} ({reason})" for field, reason in error.reasons.items())
            raise CommandError(f"nothing was made: {said}") from None
        self.stdout.write(f"{made.user.sign_in_name} is an emergency access account and a Global Administrator.")
        self._show(made)

    def _renew(self, user: User) -> None:
        try:
            made = emergency_access.renew_passphrase(user, by=None, origin=console_origin(), now=timezone.now())
        except ForbiddenForOrdinaryAccount:
            raise CommandError(
                f"{user.sign_in_name} is no emergency access account; an administrator resets the password of a person"
            ) from None
        self.stdout.write(f"The passphrase of {user.sign_in_name} before is worth nothing now.")
        self._show(made)

    def _show(self, made: EmergencyAccount) -> None:
        self.stdout.write("Its passphrase, shown this once; write it on paper and lock it away:")
        self.stdout.write(f"\n    {made.passphrase}\n")
        self.stdout.write("At the sign-in it also needs a code, which this command prints on this server:")
        self.stdout.write(f"\n    watchword code {made.user.sign_in_name}\n")
        self.stdout.write("Every sign-in alerts all administrators. Try it now, and every 90 days.")

    def _end(self, user: User) -> None:
        if not emergency_access.end(user, by=None, origin=console_origin(), now=timezone.now()):
            raise CommandError(f"{user.sign_in_name} is no emergency access account")
        self.stdout.write(f"{user.sign_in_name} is an ordinary Global Administrator now. Delete the account if it")
        self.stdout.write("belongs to nobody: its passphrase still works beside a second factor.")

    def _list(self) -> None:
        accounts = User.objects.exclude(emergency_since=None).order_by("sign_in_name")
        for user in accounts:
            standing = {"active": ""}.get(user.standing.value, f", {user.standing.value}")
            at = emergency_access.last_sign_in(user)
            used = f"last signed in {at:%Y-%m-%d %H:%M} UTC" if at else "never signed in"
            self.stdout.write(f"{user.sign_in_name}: since {user.emergency_since:%Y-%m-%d}, {used}{standing}")
        if not accounts:
            self.stdout.write("There is no emergency access account. Make two: watchword emergency-access create NAME")


def _existing(key: str) -> User:
    user = actions.find_by_name(key)
    if user is None:
        raise CommandError(f"there is nobody by the name {key!r}; watchword emergency-access list names the accounts")
    return user


def _no_domain(key: str) -> str:
    if not Organisation.objects.exists():
        return "there is no organisation yet; make its first administrator: watchword createadmin NAME"
    known = ", ".join(Domain.objects.values_list("name", flat=True)[:5])
    return f"no organisation here has the domain {key.rpartition('@')[2]}; the domains are: {known}"
