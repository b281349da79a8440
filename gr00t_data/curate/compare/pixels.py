"""Checks of one episode's pictures against those of the other episodes: focus, noise, light, colour, black bars."""

from collections.abc import Iterator, Sequence

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.checks.pixels import IMAGE_02
from gr00t_data.curate.checks.video import VIDEO_06
from gr00t_data.curate.compare.evidence import Views
from gr00t_data.curate.compare.views import COVERED_SHARE, IMAGE_14, covered_shares
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.robust import usual
from gr00t_data.curate.subject.camera_evidence import TEXTURE, CameraEvidence

_LOG_FLOOR = 0.06
_NOISY_LEVELS = 2.0

_CRUSHED_BITS, _FEW_BITS = 0.18, 0.4
"""Bits of the usual, below which detail was compressed away for certain (x264 at crf 44 leaves 0.04 to 0.15), or where
the edges are sharp still: a lens out of focus leaves 0.2 to 0.7 of them."""

_SHADES, _GENTLER = 0.9, 1.25
"""Gentle gradients of the usual: as many as an encoder leaves that lost none, and so many that a picture of flat things
is blurred, as compressing does not add any."""

_BLURRED_EDGE = 0.36
"""Sharpness below which not even the strongest edges are sharp, where others are sharper: a ramp over a coarse pixel
has 0.25, a step has 1 (rendered and filmed scenes of this size have 0.5 to 1.1; some healthy lenses 0.35)."""


def compare_pixels(views: Views) -> Iterator[tuple[int, Finding]]:
    """Findings of one camera that only the other episodes can tell: (episode number, finding)."""
    name = views.camera
    numbers, evidence = list(views.episodes), list(views.episodes.values())
    yield from _sizes(numbers, evidence, name)
    for check in (_texture, _shimmer, _colours, _bars):
        yield from check(numbers, evidence, name)


def _sizes(numbers: list[int], evidence: Sequence[CameraEvidence], name: str) -> Iterator[tuple[int, Finding]]:
    sizes = [one.size for one in evidence]
    most = max(set(sizes), key=sizes.count)
    for index, size in zip(numbers, sizes, strict=True):
        if size != most and sizes.count(most) > len(sizes) / 2:
            finding = VIDEO_06.finding(
                f"camera {name!r}: frames are {size[1]}x{size[0]}, in the other episodes {most[1]}x{most[0]}; "
                "resize or crop the video as the others were",
                severity="error" if size[0] * most[1] != size[1] * most[0] else "warning",
            )
            yield index, finding


def _log_excess(values: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """(log of the ratio to the usual, spreads away from it) of positive values; NaN is as usual."""
    logs = np.log(np.maximum(values, 1e-3))
    centre, spread = usual(logs, floor)
    return np.nan_to_num(logs - centre), np.nan_to_num((logs - centre) / spread)


def _texture(numbers: list[int], evidence: Sequence[CameraEvidence], name: str) -> Iterator[tuple[int, Finding]]:
    """IMAGE-01, -02, -03, -04, -06 and -09, the first that applies. What is covered (IMAGE-15) has neither detail
    nor edges to lose.
    """
    hidden = covered_shares(evidence) > COVERED_SHARE
    table = np.stack([one.texture for one in evidence]).astype(np.float64)
    column = {key: table[:, place] for place, key in enumerate(TEXTURE)}
    column["bits"] = np.array([one.bits for one in evidence])
    excess = {key: _log_excess(values + (0 if key == "bits" else 0.02), _LOG_FLOOR) for key, values in column.items()}
    for place, index in enumerate(numbers):
        ratio = {key: float(np.exp(excess[key][0][place])) for key in column}
        far = {key: float(excess[key][1][place]) for key in column}
        for check, text in _texture_rules(ratio, far, column, place):
            if hidden[place] and _lost_to_cover(check, ratio):
                continue
            yield index, check.finding(f"camera {name!r} {text}")
            break


def _lost_to_cover(check: Check, ratio: dict[str, float]) -> bool:
    """Whether a cover explains it: it takes bits, edges and noise with it, and leaves the shades of the rest."""
    shades = check is IMAGE_06 and ratio["gradient_gap"] > _SHADES
    return (shades or check in (IMAGE_01, IMAGE_09)) and ratio["bits"] > _CRUSHED_BITS


def _texture_rules(
    ratio: dict[str, float], far: dict[str, float], column: dict[str, np.ndarray], place: int
) -> Iterator[tuple[Check, str]]:
    white, others = column["bright_share"][place], np.delete(column["bright_share"], place)
    whites = float(np.median(others))
    if ratio["contrast"] < 0.45 and far["contrast"] < -4 and ratio["luma"] > 0.5:
        text = f"has {100 * ratio['contrast']:.0f} % of the contrast of the other episodes; check lens and exposure"
        yield IMAGE_04, text
    if ratio["luma"] < 0.35 and far["luma"] < -5:
        text = f"has {100 * ratio['luma']:.0f} % of the light of the other episodes; set the exposure or leave it out"
        yield IMAGE_02, text
    if white > 0.15 and white > 0.1 + 2 * whites + 2 * float(np.std(others)):
        shown = f"{100 * white:.0f} % of the pixels are white, in the other episodes {100 * whites:.0f} %"
        yield IMAGE_03, f"is overexposed: {shown}; set the exposure or leave it out"
    # Gentle shades turn into flats and steps; noise takes them too, but leaves no flats.
    if ratio["gradient_gap"] < 0.75 and far["gradient_gap"] < -3 and ratio["flatness"] > 1.08:
        shown = f"gentle gradients {100 * ratio['gradient_gap']:.0f} % of the usual"
        text = f"has few levels of brightness ({shown}): a wrong bit depth or palette; export the video again"
        yield IMAGE_06, text
    equal = f"{100 * column['flatness'][place]:.0f} % of neighbouring pixels are equal, usually "
    equal += f"{100 * column['flatness'][place] / ratio['flatness']:.0f} %"
    if ratio["flatness"] < 0.35 and far["flatness"] < -4 and ratio["noise"] > 1.5:
        yield IMAGE_07, f"is noisy: {equal}; more light, less gain"
    sharpness = column["sharpness"][place]
    soft = sharpness < _BLURRED_EDGE and ratio["sharpness"] < 0.7
    soft &= far["sharpness"] < -3 or ratio["sharpness"] < 0.5 or ratio["gradient_gap"] > _GENTLER
    fewer = ratio["bits"] < _FEW_BITS and ratio["noise"] < 0.8 and ratio["sharpness"] < 0.95 and not soft
    crushed = ratio["bits"] < _CRUSHED_BITS and ratio["noise"] < 0.9
    if (fewer or crushed) and ratio["flatness"] > 1.1:
        text = (
            f"was compressed away: it has {100 * ratio['bits']:.0f} % of the bits of the other episodes, and "
            f"{100 * ratio['noise']:.0f} % of their fine detail; encode it again from its source at higher quality"
        )
        yield IMAGE_09, text
    if soft or (sharpness < 0.5 and ratio["sharpness"] < 0.5 and far["sharpness"] < -5):
        flat = ratio["flatness"] > 1.1 and far["flatness"] > 3
        text = (
            f"is blurred: its sharpest edges spread over {1 / max(sharpness, 0.1):.1f} pixels, in the others over "
            f"{1 / max(sharpness / ratio['sharpness'], 0.1):.1f}; focus, clean the lens, or encode at higher quality"
        )
        yield IMAGE_09 if flat and ratio["noise"] < 0.8 and sharpness > 0.45 else IMAGE_01, text
    if ratio["flatness"] > 1.35 and far["flatness"] > 4:
        check, lost = (IMAGE_06, "gentle shades") if ratio["noise"] > 0.7 else (IMAGE_09, "fine detail")
        yield check, f"has lost its {lost}: {equal}; look at bit depth, palette and quality of the encoder"


def _shimmer(numbers: list[int], evidence: Sequence[CameraEvidence], name: str) -> Iterator[tuple[int, Finding]]:
    """IMAGE-07: pixels change from frame to frame although the scene stands still."""
    shimmer = np.array([one.shimmer for one in evidence])
    centre, spread = usual(shimmer, 0.1)
    for place, index in enumerate(numbers):
        if shimmer[place] > max(_NOISY_LEVELS, 2 * centre[place], centre[place] + 4 * spread[place]):
            finding = IMAGE_07.finding(
                f"camera {name!r} is noisy: pixels change by {shimmer[place]:.1f} levels a frame even when "
                f"averaged, in the other episodes by {centre[place]:.1f}; more light, less gain"
            )
            yield index, finding


def _colours(numbers: list[int], evidence: Sequence[CameraEvidence], name: str) -> Iterator[tuple[int, Finding]]:
    """IMAGE-11: with red and blue exchanged the picture is like the others. IMAGE-12: it has no colour at all."""
    pictures = np.stack([one.background for one in evidence]).astype(np.float64)
    exchanged = exchange_red_blue(pictures)[:, 1:]
    chroma = pictures[:, 1:]
    colour = np.array([one.colour for one in evidence])
    centre, _ = usual(chroma, 1.0)
    as_is, swapped = (np.abs(one - centre).mean((1, 2, 3)) for one in (chroma, exchanged))
    for place, index in enumerate(numbers):
        others = float(np.median(np.delete(as_is, place)))
        if colour[place] < 0.6 and float(np.median(np.delete(colour, place))) > 2.0:
            yield (
                index,
                IMAGE_12.finding(f"camera {name!r} has no colour, in the other episodes it has; record it in colour"),
            )
        elif swapped[place] < 0.6 * as_is[place] and as_is[place] > 2.0 and as_is[place] > 1.3 * others:
            finding = IMAGE_11.finding(
                f"camera {name!r} has red and blue exchanged: its colours are {as_is[place]:.1f} levels from those of "
                f"the other episodes, exchanged {swapped[place]:.1f}; BGR was taken for RGB: convert the video"
            )
            yield index, finding


def exchange_red_blue(yuv: np.ndarray) -> np.ndarray:
    """float [..., 3, H, W]: the same pictures with R and B exchanged (BT.601, any range)."""
    y, u, v = (yuv[..., plane, :, :] - offset for plane, offset in ((0, 0.0), (1, 128.0), (2, 128.0)))
    red, green, blue = y + 1.402 * v, y - 0.344 * u - 0.714 * v, y + 1.772 * u
    red, blue = blue, red
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, (blue - luma) / 1.772 + 128, (red - luma) / 1.402 + 128], axis=-3)


def _bars(numbers: list[int], evidence: Sequence[CameraEvidence], name: str) -> Iterator[tuple[int, Finding]]:
    bars = np.array([one.bars for one in evidence])
    centre, spread = usual(bars, 0.01)
    for place, index in enumerate(numbers):
        off = np.abs(bars[place] - centre[place])
        if (off > np.maximum(0.05, 4 * spread[place])).any():
            finding = IMAGE_14.finding(
                f"camera {name!r} has black bars of {100 * bars[place, 0]:.0f} % and {100 * bars[place, 1]:.0f} %, in "
                f"the other episodes {100 * centre[place, 0]:.0f} % and {100 * centre[place, 1]:.0f} %; crop or pad "
                "the video as the others were"
            )
            yield index, finding


IMAGE_01, IMAGE_03, IMAGE_04, IMAGE_06, IMAGE_07, IMAGE_09, IMAGE_11, IMAGE_12 = Look(Views, compare_pixels, 0).finds(
    Check("IMAGE-01", "error", "blurred", "the policy cannot see what it must act on"),
    Check("IMAGE-03", "error", "overexposed", "the policy cannot see what it must act on",
          explains="IMAGE-15 IMAGE-06 IMAGE-09"),
    Check("IMAGE-04", "error", "low contrast", "the policy cannot see what it must act on",
          explains="IMAGE-15 IMAGE-01 IMAGE-09 IMAGE-12 IMAGE-20 SYNC-*"),
    Check("IMAGE-06", "error", "few levels of brightness", "shapes and colours are lost",
          explains="IMAGE-14 IMAGE-15 IMAGE-16 IMAGE-07"),
    Check("IMAGE-07", "error", "noise", "detail is lost", explains="IMAGE-14 IMAGE-16"),
    Check("IMAGE-09", "error", "compressed away", "detail is lost",
          explains="IMAGE-01 IMAGE-13 IMAGE-15 IMAGE-16 VIDEO-1[01]"),
    Check("IMAGE-11", "error", "red and blue exchanged", "colour words lose their meaning"),
    Check("IMAGE-12", "error", "no colour", "colour words lose their meaning", fact=True),
)  # fmt: skip
