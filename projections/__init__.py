"""What can be asked: read models of the log. Importing the package registers every projection."""

from projections import audit, dokumentlager, fiks_io, innhold, konfigurasjon, svarut_status

__all__ = ["audit", "dokumentlager", "fiks_io", "innhold", "konfigurasjon", "svarut_status"]
