"""Hypothesis strategies for every possible attempt."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from watchword.core.assurance import Evidence
from watchword.core.decision import Account, Attempt
from watchword.core.lockout import Locked, Open, Wait
from watchword.core.policy import AccountStatus, Channel, Door, FactorKind, MfaState, Policy

NOW = datetime(2026, 5, 3, 9, 0, tzinfo=UTC)

kinds = st.sampled_from(list(FactorKind))
accounts = st.builds(
    Account,
    standing=st.sampled_from(list(AccountStatus)),
    state=st.sampled_from(list(MfaState)),
    methods=st.frozensets(kinds),
    is_registered=st.booleans(),
    waits_for_app_password=st.booleans(),
    is_administrator=st.booleans(),
    is_emergency_access=st.booleans(),
    password_is_initial=st.booleans(),
    password_has_expired=st.booleans(),
)
policies = st.builds(
    Policy,
    app_passwords_allowed=st.booleans(),
    text_allowed=st.booleans(),
    call_allowed=st.booleans(),
    account_password_in_mail_while_enabled=st.booleans(),
)
evidence = st.lists(
    st.builds(Evidence, kind=kinds, at=st.just(NOW), channel=st.sampled_from([None, *Channel])), max_size=4
).map(tuple)
locks = st.sampled_from([Open(3), Wait(NOW + timedelta(seconds=30)), Locked(NOW)])
attempts = st.builds(
    Attempt,
    account=accounts,
    door=st.sampled_from(list(Door)),
    policy=policies,
    proven=evidence,
    from_trusted_network=st.booleans(),
    second_factor=locks,
)
