"""The apps in which people sign in through Watchword: their clients, secrets and keys, and what people allowed them."""
