"""The views of the browser's door; each page asks the person for one decision."""
