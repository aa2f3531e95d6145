"""Pages about people: finding, creating, importing and helping them."""
