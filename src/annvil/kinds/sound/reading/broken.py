"""What is wrong with one file, which never stops the others."""


class Broken(Exception):
    """A file that cannot be used; its text completes "yes/3.wav …"."""
