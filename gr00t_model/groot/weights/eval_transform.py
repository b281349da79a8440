"""Which pictures the weights of a folder expect when they act: the whole one, or its middle.

Training with random crops (as published: 0.95 of height and width) teaches a model pictures that lack their border;
acting takes the same share from the middle. A folder says so itself in ``eval_transform.json``.
"""

from pathlib import Path

from gr00t_data.disk import read_json, write_json

EVAL_TRANSFORM = "eval_transform.json"


def write_eval_transform(folder: Path, centre_crop: bool) -> None:
    """Leave beside weights whether they act on the middle of a picture."""
    write_json(folder / EVAL_TRANSFORM, {"centre_crop": centre_crop})


def told_centre_crop(folder: Path) -> bool | None:
    """What a folder of ours says; one from before the file existed says it by ``data.augment`` of its training, which
    is off where that is not named. None: nothing there is ours.

    Raises:
        ValueError: the file does not say it.
    """
    path = folder / EVAL_TRANSFORM
    if path.is_file():
        told = read_json(path)
        if not isinstance(told, dict) or not isinstance(told.get("centre_crop"), bool):
            raise ValueError(f'{path}: expected {{"centre_crop": true}} or false, found {told!r}; export the run again')
        return told["centre_crop"]
    if (folder / "train_config.json").is_file():
        return bool(read_json(folder / "train_config.json")["config"]["data"].get("augment", False))
    return None


def centre_crop_of(*folders: Path) -> bool:
    """What the first folder that says something says. Published weights say nothing: all their data configurations
    crop (GR00T N1.5 ``experiment/data_config.py``).
    """
    return next((told for folder in folders if (told := told_centre_crop(folder)) is not None), True)
