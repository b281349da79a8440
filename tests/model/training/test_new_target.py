"""A new FLARE target is its network and a line for its name."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

COLOUR = '''"""The target ``colour``: mean red, green and blue of the first camera, in each of M tokens."""

from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from gr00t_model.groot.backbone import Encoder
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.flare.target import Prompt, TargetEncoder


class Target(TargetEncoder):
    """It looks with its own eyes."""

    @staticmethod
    def width_of(config: GrootConfig, policy: Encoder) -> int:
        return 3

    @property
    def shares_sight(self) -> bool:
        return False

    def of_images(
        self,
        policy: Encoder,
        images: UInt8[Tensor, "b v h w 3"],
        prompt: Prompt | None,
        view_mask: Bool[Tensor, "b v"] | None,
        image_size: int,
    ) -> Float[Tensor, "b m e"]:
        mean = images[:, 0].float().mean(dim=(1, 2)) / 255
        return mean[:, None].expand(-1, self.tokens, -1).contiguous()
'''
NAME = '        "colour": "gr00t_model.groot.flare.colour",\n'

USE = """
from pathlib import Path
from gr00t_model.evaluate.alignment import alignment
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.config import Flare, Model
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tiny import SMALL, build
lake = build(Path("lake"))
model = Model(base="random", changes=SMALL, flare=Flare(target="colour"))
run = prepare_run(lake.config(steps=2, batch_size=16, model=model), Path("runs"))
assert train(run, StopRequest()).state == "complete"
assert max(record["flare"] for record in run.records()) > 0
print(alignment(run.checkpoint).target)
"""


def test_a_file_and_a_name_are_a_new_target(tmp_path: Path) -> None:
    for package in ("gr00t_data", "gr00t_model", "schemas"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "tests/model/tiny.py", tmp_path / "tiny.py")
    (tmp_path / "gr00t_model/groot/flare/colour.py").write_text(COLOUR)
    config = tmp_path / "gr00t_model/groot/flare/config.py"
    before, names, after = config.read_text().partition("TARGETS: ClassVar[dict[str, str]] = {\n")
    config.write_text(before + names + NAME + after)
    done = subprocess.run([sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().splitlines()[-1] == "colour"
