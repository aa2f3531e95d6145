"""What a text message says and what the voice attendant speaks."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import override

from watchword.core.codes import shown_code
from watchword.delivery.channel import Outgoing


def text_of(outgoing: Outgoing) -> str:
    """Return the text: the code first, what it is for, what to do if it was not asked for, and the bound last line.

    The last line lets telephones offer the code to this host only (WICG, origin-bound one-time codes).
    """
    if outgoing.words:
        return outgoing.words
    with override(outgoing.language):
        sentence = _(
            "%(code)s is your %(organisation)s security code. Nobody will ask you for it. "
            "Did you not ask for it? Somebody knows your password: change it."
        ) % {"code": shown_code(outgoing.code), "organisation": outgoing.organisation}
    return f"{sentence}\n\n@{outgoing.host} #{outgoing.code}"


def greeting_of(outgoing: Outgoing) -> str:
    """Return what the attendant says first: who calls and for what. It gives nothing away to an answering machine."""
    with override(outgoing.language):
        return _(
            "Hello. This is the sign-in service of %(organisation)s. "
            "To hear your security code, press 1. If you are not signing in right now, press 0 and then the hash key."
        ) % {"organisation": outgoing.organisation}


def spoken_code_of(outgoing: Outgoing) -> str:
    """Return the sentence with the code, digit by digit and twice."""
    digits = ". ".join(outgoing.code)
    with override(outgoing.language):
        return _(
            "Your security code is: %(digits)s. Once more: %(digits)s. "
            "To hear it again, press 1. If you are not signing in right now, press 0 and then the hash key."
        ) % {"digits": digits}


def fraud_thanks_of(outgoing: Outgoing) -> str:
    """Return what is said after somebody reported that they are not signing in."""
    with override(outgoing.language):
        return _("Thank you. The code is void and your administrators have been told. Goodbye.")
