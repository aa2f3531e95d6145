"""LOOKS: base templates, form rows, error summary, CSS, and the little JavaScript there is.

Templates to extend:

- ``ui/plain.html``: the sign-in look, one white card. Blocks: ``title``, ``back`` (a back link), ``content``.
- ``ui/shell.html``: the signed-in look. Blocks: ``title``, ``navigation`` (left, optional), ``content``, ``panel``
  (right).
  Set ``{% block body_class %}with-navigation{% endblock %}`` where there is a navigation.

The title is the page's heading; "Error: " comes in front of it by itself where ``form.errors`` is not empty.

Tags (``{% load watchword_ui %}``):

- ``{% error_summary form %}``: at the top of the content of each page with a form.
- ``{% form_row form.field %}``: label, hint (the field's help text), error and input of one field of any kind.
- ``{% state_tag user.mfa_state %}``: Disabled · Enabled · Enforced; also "blocked", "deleted", "suspended".
- ``{% person_time moment %}``: a time in short words, the full one on hover.
- ``{% in_words moment %}``: how long until then, as in "30 seconds".
- ``{{ user.display_name|initials }}``.
- ``{% icon "mail" %}``: launcher gear person people phone call mail key shield alert check search chevron external
  clock list close laptop.
- ``{% secret_groups "abcd efgh" %}``: something to copy, in groups, with Copy and Print where JavaScript runs.

Classes: ``button``, ``button secondary``, ``button danger``, ``link-button``; ``actions`` (a row of buttons); ``card``;
``banner`` (+ ``banner-warning``, ``banner-success``); ``warning-text``; ``panel-confirmed`` (a big green yes);
``summary-list`` (a dl of rows: dt, dd, dd.row-actions); ``table-scroll`` around a ``table`` (give it role=region, an
aria-label and tabindex=0); ``filter-bar``; ``tabs`` (a nav of links, aria-current); ``tiles``; ``empty``; ``letter``
(a readonly textarea); ``muted``; ``code-input``; ``stack``; ``tag``; ``bulk-bar``; ``page-head`` (heading with
buttons at its right); ``visually-hidden``; ``navigation`` (a nav at the left); ``side-panel`` (an aside at the right).

JavaScript hooks: ``data-tick-all`` (a tick box that ticks all named like its value), ``data-copy`` (copies the text of
the element with this id), ``data-print``, ``data-countdown`` (seconds until a button may be used).
"""
