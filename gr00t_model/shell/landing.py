"""The shell verb of the landing: how far each drop is."""

from gr00t_model.shell.app import InLake
from gr00t_model.shell.options import verb


@verb
def landing(*, asked: InLake) -> int:
    """List the drops of the landing: taken in, ready, waiting, refused or failed, and why.

    Nothing is taken in. A drop that is refused or has failed stops no other; exit status 1 when there is one.

    Example: `gr00t landing`
    """
    from gr00t_data.sources.landing.states import states

    every = states(asked.where)
    rows = [
        {"drop": one.drop, "state": one.state, "reason": one.reason, "kind": one.kind, "files": one.files}
        | ({"bytes": one.size_bytes} if asked.as_json else {"MB": f"{one.size_bytes / 1e6:.1f}"})
        for one in every
    ]
    asked.show({"drops": len(every)}, rows)
    return int(any(one.state in ("refused", "failed") for one in every))
