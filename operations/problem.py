"""What a person can mend, as the commands of this folder say it."""


class Problem(Exception):
    """What is in the way, and the way out."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
