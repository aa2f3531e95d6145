"""Send codes to telephones: limits, outbox worker, voice calls, and one package for each kind of gateway."""
