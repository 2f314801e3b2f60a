"""Cryptography as bytes in, bytes out: no module here reads or writes anything by itself."""
