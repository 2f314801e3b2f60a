"""Stand-ins for registers that the state runs, for tests and the demo: the real interfaces, and persons of no flesh."""
