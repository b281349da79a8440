"""The losses of a run as a small figure. No torch."""

from collections.abc import Sequence

from gr00t_data.curate.figures import canvas, png

_HEIGHT_PX = 240


def loss_figure(records: Sequence[dict[str, float]]) -> bytes:
    """PNG: flow and FLARE loss over steps."""
    figure, (axes,) = canvas(_HEIGHT_PX)
    steps = [record["step"] for record in records]
    for name in ("flow", "flare"):
        axes.plot(steps, [record[name] for record in records], label=name, linewidth=1.0)
    axes.set_yscale("log")
    axes.set_xlabel("optimizer step", fontsize=7)
    axes.set_title("training loss", fontsize=7)
    axes.legend(fontsize=6)
    return png(figure)
