"""Cryptography on values alone: what is given in as bytes comes out as bytes, without input or output of its own."""
