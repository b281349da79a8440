"""What a rig does in most episodes is told once; what one episode has beyond that stays its own."""

from pathlib import Path

from gr00t_data.curate.checks.catalogue import CHECKS, without_consequences
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.rig import of_the_rig


def repeats(*parts: str) -> Finding:
    return CHECKS["MOTION-05"].finding(f"{', '.join(f'state part {part!r}' for part in parts)} repeat the row before")


def test_a_part_that_the_rig_does_not_repeat_is_the_episodes_own() -> None:
    found = {number: [repeats("left_hand")] for number in range(12)}
    found[3] = [repeats("left_hand", "left_arm")]
    found[4] = [repeats("right_hand")]
    left, of_store = of_the_rig(Path("store"), found)
    assert [one.code for one in of_store] == ["MOTION-05"] and "12 of 12 episodes" in of_store[0].message
    assert {number for number, findings in left.items() if findings} == {3, 4}


def test_an_arm_that_rests_in_most_episodes_has_what_the_other_one_has() -> None:
    found = {number: [repeats("right_arm" if number < 4 else "left_arm")] for number in range(12)}
    left, of_store = of_the_rig(Path("store"), found)
    assert [one.code for one in of_store] == ["MOTION-05"] and not any(left.values())


def test_what_the_rig_does_hides_nothing_else_of_an_episode() -> None:
    leap = CHECKS["MOTION-02"].finding("state part 'left_arm' leaps")
    own = [repeats("left_hand"), leap]
    assert without_consequences(own) == own[:1]  # an episode on its own: its repeats explain the leap
    found = {number: without_consequences([repeats("left_hand")], of_rigs=False) for number in range(12)}
    found[3] = without_consequences(own, of_rigs=False)
    left, _ = of_the_rig(Path("store"), found)
    assert left[3] == [leap]
