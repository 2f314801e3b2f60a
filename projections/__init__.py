"""What can be asked: read models of the log. Importing the package registers every projection."""

from projections import audit, konfigurasjon, svarut_status

__all__ = ["audit", "konfigurasjon", "svarut_status"]
