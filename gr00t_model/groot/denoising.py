"""How many denoising steps there may be. No torch: a configuration is checked without it."""

import operator

TIMES = 1000
"""Times the published model tells apart (``num_timestep_buckets``)."""


class DenoisingError(ValueError):
    """A number of denoising steps that cannot be taken; the message says what was found and what is expected."""


def whole_steps(steps: object, most: int = TIMES, name: str = "denoising_steps") -> int:
    """``steps`` as an int from 1 to ``most``: no bool, no fraction, no text. Zero is refused, it is not "the default".

    Args:
        most: times the model tells apart; more steps would repeat some of them.
        name: of the setting, for the message.

    Raises:
        DenoisingError: it is not.
    """
    wrong = DenoisingError(f"{name}: expected a whole number from 1 to {most}, found {steps!r}; 4 is the published one")
    if isinstance(steps, bool):
        raise wrong
    try:
        number = operator.index(steps)  # type: ignore[arg-type] - what has no __index__ is refused below
    except TypeError:
        raise wrong from None
    if not 1 <= number <= most:
        raise wrong
    return number
