"""A small webmail: protected by Watchword, it reads the same mailbox as the mail programs."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from pathlib import Path

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from watchword.demo import mailbox_store, ports
from watchword.signin.middleware import request_user
from watchword.signin.non_interactive import find_mailbox

LONGEST_MAIL = 50_000


class MailForm(forms.Form):
    """A mail to a person of the sample organisation."""

    to = forms.CharField(
        label=gettext_lazy("To"), max_length=254, help_text=gettext_lazy("Such as bob@harbour.example")
    )
    subject = forms.CharField(label=gettext_lazy("Subject"), max_length=200, required=False)
    text = forms.CharField(label=gettext_lazy("Text"), widget=forms.Textarea, max_length=LONGEST_MAIL)

    def clean_to(self) -> str:
        """Return the sign-in name of the recipient."""
        name = find_mailbox(self.cleaned_data["to"])
        if name is None:
            raise ValidationError(_("There is nobody by this name here. Use a sign-in name of the demo."))
        return name

    def clean_subject(self) -> str:
        """Return the subject on one line."""
        return " ".join(str(self.cleaned_data["subject"]).split())


def inbox(request: HttpRequest) -> HttpResponse:
    """List the mails of the signed-in person."""
    context = {
        "mails": mailbox_store.inbox(request_user(request).mailbox_name),
        "host": ports.HOST,
        "ports": ports.stored(Path(settings.WATCHWORD_HOME)),
    }
    return render(request, "demo/mail.html", context)


def read(request: HttpRequest, key: str) -> HttpResponse:
    """Show one mail."""
    mail = mailbox_store.read(request_user(request).mailbox_name, key)
    if mail is None:
        raise Http404
    return render(request, "demo/mail_read.html", {"mail": mail})


def write(request: HttpRequest) -> HttpResponse:
    """Write a mail to a person of the demo."""
    me = request_user(request)
    form = MailForm(request.POST or None, initial={"to": request.GET.get("to", "")})
    if request.method == "POST" and form.is_valid():
        mail = EmailMessage()
        mail["From"] = formataddr((me.display_name, me.sign_in_name))
        mail["To"] = form.cleaned_data["to"]
        mail["Date"] = format_datetime(timezone.now())
        mail["Subject"] = form.cleaned_data["subject"]
        mail.set_content(form.cleaned_data["text"])
        mailbox_store.deliver(form.cleaned_data["to"], mail.as_bytes(policy=policy.SMTP))
        messages.success(request, _("Sent."))
        return HttpResponseRedirect(reverse("demo:mail"))
    return render(request, "demo/mail_write.html", {"form": form})
