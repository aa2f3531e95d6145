"""The demo: a sample organisation, a telephone on a page, an embedded mailbox and a small webmail."""
