"""Length of a training under a cap of steps."""


def cap_schedule(steps_per_epoch: int, epochs: int, max_steps: int | None) -> tuple[int, int]:
    """Return the steps per epoch and the epochs of a budget of at most `max_steps` steps.

    A capped budget keeps epochs of about the same length, all of them equal. None is no cap.
    """
    if max_steps is None or max_steps >= steps_per_epoch * epochs:
        return steps_per_epoch, epochs
    epochs = -(-max_steps // steps_per_epoch)
    return max_steps // epochs, epochs
