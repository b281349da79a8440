"""Check of the names of the dimensions against the joints of the robot file: the order in which rows are read."""

from collections.abc import Iterator

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Whole
from gr00t_data.embodiment.names import NamesError, order_of
from gr00t_data.store.layout import Feature

_MOST_NAMED = 8


def check_names(whole: Whole) -> Iterator[Finding]:
    """NAMES-01: info.json names the joints of the robot in another order; names that mean nothing say nothing."""
    store, embodiment = whole.store, whole.embodiment
    for column, joints in embodiment.joints_by_column.items():
        where = f"{store.root}/meta/info.json: the names of {column!r}"
        try:
            order = order_of(joints, store.features.get(column, Feature()).names)
        except NamesError as error:
            yield NAMES_01.finding(
                f"{where} contradict the order of the joints of {embodiment.name!r} ({error}); list the joints in the "
                "robot file as the data set has them, or correct the names"
            )
            continue
        if order:
            places = enumerate(zip(joints, order.places, strict=True))
            moved = [f"{joint} is dimension {at}" for to, (joint, at) in places if at != to]
            more = f" and {len(moved) - _MOST_NAMED} more" if len(moved) > _MOST_NAMED else ""
            own = ", ".join(moved[:_MOST_NAMED]) + more
            yield NAMES_01.finding(
                f"{where} are the joints of {embodiment.name!r} in another order ({own}): as it stands each is read as "
                "another one; `gr00t ingest` puts them in order, or list the joints in the robot file so: "
                f"{', '.join(order.recorded)}"
            )


(NAMES_01,) = Look(Whole, check_names, 2).finds(
    Check("NAMES-01", "error", "joints in another order than the robot file's",
          "each joint is read, normalised and commanded as another one"),
)  # fmt: skip
