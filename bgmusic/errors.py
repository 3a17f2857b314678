"""The error for mistakes that a user can fix; the command line prints it as one line and exits with code 2."""


class UserError(Exception):
    """A mistake that the user can fix. The message is one line: what is wrong, where, and what to do."""
