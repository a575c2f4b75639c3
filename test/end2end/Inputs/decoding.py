"""Tokens that follow a request, judged against the reference that is given the same tokens, so that one close choice counts once.

In: a reference's run (`DecoderRun`) and what the accelerator generated.  Out: `Judge`, whose `verdict` is "right" or what is wrong.
"""
import numpy as np
from models import distance

from focus.runtime.spec.errors import FocusError

LIMIT = 2e-3        #: how far logits may be from the reference's; runs of these models are half of that
CLOSE = 2e-3        #: of the logits' norm: two tokens closer than that may change places


class Judge:
    def __init__(self, run):
        self.run, self.wrong = run, []

    def generated(self, tokens: list[int]) -> None:
        """Tokens that were generated; the reference goes on with all of them."""
        for token in tokens:
            row = self.run.logits()[0].numpy()
            if (row.max() - row[token]) / np.linalg.norm(row) > CLOSE:
                self.wrong.append(f"token {token} for {row.argmax()}")
            self.run.go_on([token])

    def asked(self, tokens) -> None:
        self.run.go_on(list(tokens))

    def logits(self, ours: np.ndarray) -> None:
        """Logits [vocabulary] after all tokens so far."""
        found = distance(ours, self.run.logits()[0].numpy())
        if found > LIMIT:
            self.wrong.append(f"logits differ by {found:.1e}")

    @property
    def verdict(self) -> str:
        return "; ".join(self.wrong) or "right"


def refused(what: str, function) -> None:
    """Print the error of what must be one."""
    try:
        function()
        print(what, "was taken")
    except FocusError as e:
        print(f"{what}: {e}")
