"""The two ways in which an event cannot be read. They are opposites: one is final, the other passes."""


class Unreadable(Exception):
    """The record will never be readable: dead-letter it with this reason and go on."""


class NotYetKnown(Exception):
    """The record was written by a newer release: wait, since a worker of that release will take the partition."""
