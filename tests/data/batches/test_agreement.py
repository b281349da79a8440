"""Statistics and mixture: the same episodes, weighed alike, or a refusal that says what differs."""

from dataclasses import replace

import pytest

from gr00t_data.batches.mixture.agreement import require_agreement
from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.statistics.measure import measure
from tests.data.builders import GR1


@pytest.mark.parametrize("weights", [[1.0, 1.0], [3.0, 1.0]])
def test_statistics_of_the_mixture(sources, weights) -> None:
    pairs = [(store, index, weight) for (store, index), weight in zip(sources, weights, strict=True)]
    manifest = build_manifest("both", GR1, pairs)
    require_agreement(manifest, measure(sources, GR1, weights=weights))
    other = measure(sources, GR1, weights=[1.0, 9.0])
    with pytest.raises(
        ValueError, match=r"is \d\d.0% of the samples, but weighed 10.0% in the statistics; measure again"
    ):
        require_agreement(manifest, other)


def test_every_row_alike(sources) -> None:
    """44 and 40 rows: shares by frames agree with statistics that weigh every row alike."""
    manifest = build_manifest("both", GR1, [(*sources[0], 44.0), (*sources[1], 40.0)])
    require_agreement(manifest, measure(sources, GR1))


def test_statistics_of_something_else(sources) -> None:
    manifest = build_manifest("both", GR1, [(store, index, 1.0) for store, index in sources])
    with pytest.raises(ValueError, match="not measured on these 4 episodes"):
        require_agreement(manifest, measure(sources[:1], GR1))
    with pytest.raises(ValueError, match=r"are of embodiments 'gr1' .* and 'other'"):
        require_agreement(manifest, replace(measure(sources, GR1), embodiment="other", embodiment_digest="x"))
