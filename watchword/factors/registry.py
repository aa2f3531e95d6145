"""The registry of factors: those listed in settings.FACTORS."""

from functools import cache
from importlib import import_module
from types import ModuleType

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
    """Return the factor of one kind; raise KeyError if it is not installed."""
    return all_factors()[kind]


def forms_of(kind: FactorKind) -> ModuleType:
    """Return the ``forms`` module beside a factor.

    It has a ``SetUpForm(data, setup_context=…, initial=…)`` with an ``options()`` method, and, for a proof that people
    type, an ``AnswerForm(data)`` with the field ``answer``.
    """
    package = type(factor_of(kind)).__module__.rpartition(".")[0]
    return import_module(f"{package}.forms")
