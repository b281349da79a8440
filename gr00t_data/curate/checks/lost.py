"""What was lost before the rows came to be: episodes without a line, recordings that were cut off."""

from collections.abc import Iterator

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Subject, Whole
from gr00t_data.store.unlisted import orphans, unlisted

_MOST_NAMED = 8


def check_unlisted(whole: Whole) -> Iterator[Finding]:
    """META-11: data files and videos that no line of the list is about."""
    lost = [one for one in unlisted(whole.store) if not one.episode.startswith("episode ")]
    if lost:
        named = ", ".join(one.episode for one in lost[:_MOST_NAMED])
        more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
        yield META_11.finding(
            f"{whole.store.root}/meta/episodes.jsonl: {len(lost)} episodes are not in it: {named}{more}; copy the file "
            "again, or take those out"
        )
    left = orphans(whole.store)
    with_rows = {path.stem for path in left if path.suffix != ".mp4"}  # those are named already
    mapped = {*whole.store.video_columns, *whole.store.camera_columns.values()}
    videos = [path for path in left if path.suffix == ".mp4" and path.stem not in with_rows]
    if videos := [path for path in videos if path.parent.name in mapped]:
        named = ", ".join(path.relative_to(whole.store.root).as_posix() for path in videos[:_MOST_NAMED])
        more = f" and {len(videos) - _MOST_NAMED} more" if len(videos) > _MOST_NAMED else ""
        yield META_11.finding(
            f"{whole.store.root}/videos: {len(videos)} videos are of no listed episode: {named}{more}; find their "
            "episodes, or take them out"
        )


def check_whole_recording(subject: Subject) -> Iterator[Finding]:
    """SOURCE-01: what the reader of a recording noted: messages behind a cut, samples without a partner."""
    if subject.row.source.alignment is not None:
        for note in subject.row.source.notes:
            yield SOURCE_01.finding(f"{subject.where}: its recording was not whole: {note}")


(META_11,) = Look(Whole, check_unlisted, 1).finds(
    Check("META-11", "warning", "data of episodes that are not listed", "demonstrations teach nobody, unnoticed"),
)
(SOURCE_01,) = Look(Subject, check_whole_recording, 9).finds(
    Check("SOURCE-01", "warning", "the recording is not whole", "the demonstration may end before its goal"),
)
