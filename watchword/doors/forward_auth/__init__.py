"""The door for apps behind a proxy that asks for each request: nginx (auth_request), Caddy, Traefik (forward auth)."""
