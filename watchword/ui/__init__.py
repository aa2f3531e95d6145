"""User interface: base templates, form rows, error summary, CSS, and a little JavaScript.

The gallery in ``tests/ui/templates/gallery/components.html`` shows every component in use.

Templates to extend:

- ``ui/plain.html``: the sign-in look, one white card. Blocks: ``title``, ``back`` (a back link), ``content``, ``foot``.
- ``ui/shell.html``: the signed-in look. Blocks: ``title``, ``product`` (the name in the top bar), ``navigation``
  (left, optional), ``content``, ``panel`` (right, optional).
  Set ``{% block body_class %}with-navigation{% endblock %}`` where there is a navigation.

The title is the page's heading; "Error: " is prepended automatically if ``form.errors`` is not empty.

Tags (``{% load watchword_ui %}``):

- ``{% error_summary form %}``: at the top of the content of each page with a form.
- ``{% form_row form.field %}``: label, hint (the field's help text), errors and input of one field of any type.
- ``{% state_tag user.mfa_state %}``: Disabled · Enabled · Enforced; also "blocked", "deleted", "suspended".
- ``{% person_time moment %}``: a time in short words, the full one on hover.
- ``{% in_words moment %}``: how long until then, as in "30 seconds"; ``{% seconds_until moment %}`` for a countdown.
- ``{{ user.display_name|initials }}``.
- ``{% icon "mail" %}``: launcher gear person people phone call mail key shield alert check search chevron external
  clock list close laptop.
- ``{% secret_groups "abcd efgh" %}``: something to copy, in groups, with Copy and Print where JavaScript runs.
- ``{% pagination first="" before=older after=newer %}``: the links to other pages of a list, as query strings.

Classes, each with an example:

- ``<a class="button">``, ``button secondary``, ``button danger``, ``link-button``, ``link-button danger``; a row of
  these is ``<p class="actions">``.
- ``<section class="card">``; ``<p class="muted">``; ``<p class="who">`` and ``<p class="steps">`` above a heading;
  ``<a class="back-link">`` before it; ``<div class="page-head">`` around a heading with buttons at its right.
- ``<div class="banner">`` (+ ``banner-success``, ``banner-warning``, ``banner-error``); ``<p class="warning-text">``;
  ``<div class="panel-confirmed" role="status">`` (a big green yes); ``<p class="empty">``; ``<span class="tag">``
  (+ ``tag-good``, ``tag-notice``, ``tag-bad``).
- ``<dl class="summary-list"><div><dt>…</dt><dd>…</dd><dd class="row-actions">…</dd></div></dl>``: key, value, action.
- ``<dl class="facts"><div><dt>…</dt><dd>…</dd></div></dl>``: short facts in a grid.
- ``<ul class="tiles"><li><a>{% icon "mail" %}<strong>Mail</strong><span class="muted">…</span></a></li></ul>``.
- ``<div class="table-scroll" role="region" aria-label="People" tabindex="0"><table>``: ``scope`` on each ``th``,
  ``aria-sort`` on the sorted one, ``is-chosen`` on a row. On narrow screens, a table of up to six columns
  becomes a stack with a label from the heading at each cell; a ``visually-hidden`` heading labels nothing.
- ``<form class="filter-bar" role="search"><div class="row wide">``; ``<div class="bulk-bar" role="group">``;
  ``<nav class="tabs">`` of links with ``aria-current``.
- ``<nav class="navigation" id="navigation" popover>`` at the left, which ``<button class="button secondary
  navigation-button" popovertarget="navigation">`` opens on narrow screens; ``<aside class="side-panel">`` with
  a ``side-panel-head`` and a ``side-panel-foot`` at the right; the foot stays visible.
- For inputs: ``code-input``, ``short-input``, ``letter`` (a read-only textarea to copy). ``stack``; ``inline``;
  ``other-ways``; ``visually-hidden``.

JavaScript hooks: ``data-with-script`` beside ``hidden`` (shown when JavaScript runs); ``data-tick-all="name"`` (a tick
box that ticks all of that name) and ``data-ticked`` (where their number stands); ``data-copy="id"`` with
``data-copied="Copied"``; ``data-print``; ``data-countdown="30"`` and, on buttons that are disabled until then,
``data-after="id"``; ``data-focus`` (has the focus when the page opens). Menus are ``<details class="menu">``; a
password's Show button, the protection against double submission and the stacking of tables need no hook.

Nothing is animated, so ``prefers-reduced-motion`` changes nothing: add no animation without respecting it.
"""
