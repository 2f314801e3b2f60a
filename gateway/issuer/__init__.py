"""Stand-ins for Maskinporten and ID-porten in one process, for tests and the demo alone: they vouch for anyone."""
