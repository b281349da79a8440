"""What several episodes say together: copies, splits, instructions and origin. One call for the doctor."""

from collections import defaultdict
from collections.abc import Sequence

from gr00t_data.curate.compare.language import check_language
from gr00t_data.curate.compare.origin import check_origin
from gr00t_data.curate.copies.duplicates import check_copies, clusters, find_copies, same_cameras
from gr00t_data.curate.copies.fingerprints import Fingerprint
from gr00t_data.curate.copies.leakage import check_splits
from gr00t_data.curate.finding import Finding
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.store import EpisodeStore


def compare_contents(
    store: EpisodeStore, embodiment: Embodiment, fingerprints: Sequence[Fingerprint]
) -> tuple[dict[int, list[Finding]], list[Finding]]:
    """DUP-01 to DUP-04, SPLIT-01 to SPLIT-03, TEXT-04 to TEXT-11 and ORIGIN-01; messages name file and episode.

    Args:
        fingerprints: of the episodes that could be read, in the order of their numbers, with pictures.

    Returns:
        findings by episode number, and about the store.
    """
    by_episode: dict[int, list[Finding]] = defaultdict(list)
    name = fingerprints[0].key[0] if fingerprints else store.root.name
    copies = find_copies(fingerprints)
    of_store, language = check_language(store, embodiment, fingerprints)
    for found in (check_copies(copies, name), language, check_origin(store)):
        for index, findings in found.items():
            by_episode[index] += findings
    for one in fingerprints:
        by_episode[one.key[1]] += same_cameras(one)
    groups = clusters([one.key for one in fingerprints], copies)
    return {index: found for index, found in by_episode.items() if found}, [*of_store, *check_splits(store, groups)]
