"""The issuer of an organisation, and the addresses of its endpoints."""

from __future__ import annotations

from functools import lru_cache
from uuid import NAMESPACE_OID, UUID, uuid5

from django.conf import settings
from django.http import Http404

from watchword.directory.models import Organisation


def tenant_of(organisation: Organisation) -> UUID:
    """Return the id of an organisation in its issuer; it never changes, because clients store the issuer."""
    return _tenant(organisation.pk)


def organisation_of(tenant: UUID) -> Organisation:
    """Return the organisation of a tenant id; raise Http404 if there is none."""
    organisation = Organisation.objects.filter(pk=_pk_of(tenant)).first()
    if organisation is None:
        raise Http404
    return organisation


def issuer_of(organisation: Organisation) -> str:
    """Return the issuer identifier (OpenID Connect Discovery section 3): an address of the public URL, always."""
    return f"{settings.WATCHWORD_PUBLIC_URL}/{tenant_of(organisation)}/v2.0"


def endpoint(organisation: Organisation, name: str) -> str:
    """Return the address of an endpoint of an organisation's issuer, such as ``token``."""
    return f"{issuer_of(organisation)}/{name}"


@lru_cache(maxsize=1024)
def _pk_of(tenant: UUID) -> int:
    # Stored for good, because it follows from the key alone; a tenant that there is not raises and is not stored.
    for pk in Organisation.objects.values_list("pk", flat=True):
        if _tenant(pk) == tenant:
            return pk
    raise Http404


@lru_cache(maxsize=1024)
def _tenant(pk: int) -> UUID:
    return uuid5(NAMESPACE_OID, f"watchword organisation {pk}")
