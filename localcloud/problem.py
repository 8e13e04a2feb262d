"""The one error that people see."""


class Problem(Exception):
    """Something the person at the keyboard can mend: what went wrong, and the way out.

    what: what failed, where, and why, in one sentence.
    hint: what to do about it, as an instruction.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}\n{hint}")
        self.what = what
        self.hint = hint
