"""The one error that a user can cause; the command line prints it as one line and exits with code 2."""


class UserError(Exception):
    """A mistake that the user can mend: its text is one clear line that says what is wrong and where."""
