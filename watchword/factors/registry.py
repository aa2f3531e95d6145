"""The table of kinds: which factors there are, as listed in settings.FACTORS."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from watchword.core.factors import Factor
from watchword.core.policy import FactorKind


@cache
def all_factors() -> dict[FactorKind, Factor]:
    """Return each installed factor under its kind."""
    factors: list[Factor] = [import_string(path)() for path in settings.FACTORS]
    return {factor.kind: factor for factor in factors}


def factor_of(kind: FactorKind) -> Factor:
    """Return the factor of one kind; raises KeyError where it is not installed."""
    return all_factors()[kind]
