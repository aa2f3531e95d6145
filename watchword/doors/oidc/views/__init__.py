"""The endpoints of the OpenID Connect provider."""
