"""CTC prefix beam search without a language model, over whole batches at once."""

import numpy as np
import torch

from benchmark.models.probes.normalize import BLANK

MULTIPLIER = 6364136223846793005
"""Multiplier of the 64-bit rolling hash that names a prefix (Knuth's MMIX); odd, so that no bit is lost."""
NOBODY, ORPHAN = -(2**62), -(2**62) - 1
"""Names of an empty place in the beam and of a prefix without a parent; they match no other name."""
IMPOSSIBLE = float("-inf")


def prefix_beam_search(log_probs: torch.Tensor, lengths: torch.Tensor, width: int) -> list[list[int]]:
    """Return the most probable label sequence of each utterance, summed over its alignments.

    This is the prefix search of Graves et al. 2006 (section 3.2) that keeps the `width` best prefixes after
    each frame (Hannun et al. 2014, arXiv 1408.2873, algorithm 1, without language model). Only the width
    prunes candidates. The answer for an utterance does not depend on its batch.

    Args:
        log_probs: (B, T, C); label 0 is the blank.
        lengths: (B,) frames.
        width: Number of prefixes kept.
    """
    scores = log_probs.double()
    beam = _Beam(len(scores), width, scores.device)
    for t, frame in enumerate(scores.unbind(1)):
        beam.step(frame, t < lengths.to(scores.device))
    return beam.best()


class _Beam:
    """The prefixes kept for every utterance; all tensors have the shape (B, W).

    `blank` and `label` are the log-probabilities of the alignments so far that end in a blank and in the
    prefix's last label. `key` names the prefix, `parent` the prefix without its last label.
    """

    def __init__(self, batch: int, width: int, device: torch.device) -> None:
        self.blank = torch.full((batch, width), IMPOSSIBLE, dtype=torch.float64, device=device)
        self.label = self.blank.clone()
        self.blank[:, 0] = 0.0
        self.last = torch.full((batch, width), BLANK, device=device)
        self.key = torch.full((batch, width), NOBODY, device=device)
        self.key[:, 0] = 1
        self.parent = torch.full((batch, width), ORPHAN, device=device)
        self._back: list[tuple[torch.Tensor, torch.Tensor]] = []

    def step(self, scores: torch.Tensor, active: torch.Tensor) -> None:
        """Process one frame of scores (B, C); utterances that are not `active` (B,) stay unchanged."""
        width, labels = self.key.shape[1], scores.shape[1] - 1
        total = torch.logaddexp(self.blank, self.label)
        has_last = self.last != BLANK
        place = (self.last - 1).clamp(min=0)  # position of the last label among the labels without the blank
        repeated = scores.gather(1, self.last)

        stay_blank = total + scores[:, BLANK, None]
        stay_label = torch.where(has_last, self.label + repeated, IMPOSSIBLE)
        extend = total[:, :, None] + scores[:, None, 1:]
        # Repeating the last label starts a new label only after a blank.
        again = torch.where(has_last, self.blank + repeated, extend.gather(2, place[..., None])[..., 0])
        extend.scatter_(2, place[..., None], again[..., None])

        # An extension may equal a prefix that the beam already holds: [b, i, j] says that i is the parent
        # of j.
        joins = (self.key[:, :, None] == self.parent[:, None, :]) & has_last[:, None, :]
        places = place[:, None, :].expand(-1, width, -1)
        joined = extend.gather(2, places).masked_fill(~joins, IMPOSSIBLE).logsumexp(1)
        stay_label = torch.logaddexp(stay_label, joined)
        taken = torch.zeros_like(extend).scatter_add_(2, places, joins.to(extend)) > 0
        extend = extend.masked_fill(taken, IMPOSSIBLE)

        candidates = torch.cat([torch.logaddexp(stay_blank, stay_label), extend.flatten(1)], 1)
        best, chosen = candidates.topk(width, 1)
        stays = chosen < width
        source = torch.where(stays, chosen, (chosen - width).div(labels, rounding_mode="floor"))
        added = torch.where(stays, BLANK, (chosen - width) % labels + 1)
        dead = best == IMPOSSIBLE
        key = self.key.gather(1, source)
        new = {
            "blank": torch.where(stays, stay_blank.gather(1, source), IMPOSSIBLE),
            "label": torch.where(stays, stay_label.gather(1, source), best),
            "last": torch.where(stays, self.last.gather(1, source), added).masked_fill(dead, BLANK),
            "key": torch.where(stays, key, key * MULTIPLIER + added).masked_fill(dead, NOBODY),
            "parent": torch.where(stays, self.parent.gather(1, source), key).masked_fill(dead, ORPHAN),
        }
        ended = ~active[:, None]
        for name, value in new.items():
            setattr(self, name, torch.where(ended, getattr(self, name), value))
        own = torch.arange(width, device=source.device).expand_as(source)
        self._back.append((torch.where(ended, own, source), torch.where(ended, BLANK, added)))

    def best(self) -> list[list[int]]:
        """Return the labels of the best prefix of each utterance."""
        place = torch.logaddexp(self.blank, self.label).argmax(1).cpu().numpy()
        utterances = np.arange(len(place))
        steps = []
        for source, added in reversed([(s.cpu().numpy(), a.cpu().numpy()) for s, a in self._back]):
            steps.append(added[utterances, place])
            place = source[utterances, place]
        emitted = np.array(steps[::-1], dtype=np.int64).reshape(len(steps), len(place)).T
        return [row[row != BLANK].tolist() for row in emitted]
