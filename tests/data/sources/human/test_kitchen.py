"""The real clip from the drop to the store: three narrated clips, and the turn of the head between two of them."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.human.ingest import ingest_human
from gr00t_data.sources.human.inspection import inspect_drop
from gr00t_data.sources.human.readers import find
from gr00t_data.sources.human.settings import HumanSettings
from gr00t_data.stages.stores import check
from gr00t_data.store.store import EpisodeStore

DROP = Path(__file__).parents[5] / "shared/data/ego"
HANDS = load_embodiment("human_hands")
TURN_S = (1.6, 2.0)
"""By eye: the table leaves the picture, the sink enters it."""
STEP_S = 4 / 30
"""From one P-frame of the clip to the next: how finely the coarse pass sees."""

pytestmark = pytest.mark.skipif(not DROP.is_dir(), reason="the real footage is not here (../shared/data)")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    return ingest_human(DROP, HANDS, Lake(tmp_path_factory.mktemp("lake")), settings=HumanSettings(faces="none"))


def test_three_clips_with_the_words_of_the_table(store: EpisodeStore, tmp_path: Path) -> None:
    assert [row.instruction for row in store.rows] == [one.text for one in find(DROP).footage[0].narrations]
    assert len(check(Lake(tmp_path), store, HANDS).accepted) == 3


def test_the_turn_of_the_head_is_found_and_in_no_clip(store: EpisodeStore) -> None:
    seen = inspect_drop(DROP)
    begin, end = (float(edge) for edge in seen.videos[0]["fast turns"].split(",")[0].split("-"))
    assert (begin, end) == pytest.approx(TURN_S, abs=STEP_S)
    for row in store.rows:
        shown_s = store.matrix(row.index, "source_time_s")[:, 0]
        masked = store.matrix(row.index, "masked")[:, 0] > 0
        inside = (shown_s > TURN_S[0] + 0.034) & (shown_s < TURN_S[1] - 0.034)
        assert not (inside & ~masked).any()
    assert seen.facts["clips"] == 3 and not seen.problems


def test_rows_show_the_frames_they_say(store: EpisodeStore) -> None:
    for row in store.rows:
        source, shown_s = row.source.facts(), store.matrix(row.index, "source_time_s")[:, 0]
        assert source is not None
        wanted_s = source["start_s"] + np.arange(row.length) / 20
        assert np.abs(shown_s - wanted_s).max() <= 0.5 / 30 + 1e-6
        np.testing.assert_allclose(shown_s, store.matrix(row.index, "source_frame")[:, 0] / 30, atol=1e-6)
