# pyright: reportAttributeAccessIssue=false
# (mujoco is compiled and ships no stubs)
"""A scene in motion: physics at 200 Hz, commands and measurements at 20 Hz in the 44 values of the embodiment."""

import mujoco
import numpy as np

from gr00t_data.sources.sim.body import (
    FINGERS,
    HAND_OPEN,
    JOINTS,
    MOVING,
    MOVING_INDEX,
    PARTS,
    SIDES,
    THUMB_OPPOSED_RAD,
    rest_posture,
)
from gr00t_data.sources.sim.draw import Scene
from gr00t_data.sources.sim.kinematics import ArmKinematics
from gr00t_data.sources.sim.scene import (
    HALF_HEIGHT_M,
    PARKED_PLATE_M,
    PLATE_HALF_THICKNESS_M,
    PLATE_RADIUS_M,
    PLATE_TOP_M,
    TABLE_TOP_M,
    compiled,
    ids_of,
)
from gr00t_data.sources.sim.tasks import PLACE_HEIGHT_M, Facts

CONTROL_HZ = 20.0
_SUBSTEPS = 10
_HAND_CONTACT_TYPE = 1
_IK_ITERATIONS = 20


class World:
    """The physics of one scene. Nothing in it is random: the same scene and commands give the same motion.

    Args:
        scene: what lies where, and where the hands start.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.model = compiled(tuple(thing.shape for thing in scene.things))
        self.data = mujoco.MjData(self.model)
        joints = ids_of(self.model, mujoco.mjtObj.mjOBJ_JOINT, list(MOVING))
        self._qpos = self.model.jnt_qposadr[joints]
        self._sites = ids_of(self.model, mujoco.mjtObj.mjOBJ_SITE, [f"{side}_grasp" for side in SIDES])
        names = [f"object{index}" for index in range(len(scene.things))]
        self._bodies = ids_of(self.model, mujoco.mjtObj.mjOBJ_BODY, names)
        self._object_qpos = self.model.jnt_qposadr[ids_of(self.model, mujoco.mjtObj.mjOBJ_JOINT, names)]
        self._digits = {
            side: ids_of(self.model, mujoco.mjtObj.mjOBJ_BODY, [f"{side}_{digit}" for digit in ("thumb", *FINGERS)])
            for side in SIDES
        }
        self._half_heights_m = np.array([HALF_HEIGHT_M[thing.shape] for thing in scene.things])
        self._set_objects()
        self.pose([start_posture(side, start) for side, start in zip(SIDES, scene.hand_start_m, strict=True)])
        self.starts_m = self.objects_m

    def _set_objects(self) -> None:
        for index, thing in enumerate(self.scene.things):
            height_m = TABLE_TOP_M + HALF_HEIGHT_M[thing.shape]
            self.put_object(index, np.array([thing.x_m, thing.y_m, height_m]), thing.yaw_rad)
        plate = self.scene.plate_m
        self.data.mocap_pos[0] = (*plate, TABLE_TOP_M + PLATE_HALF_THICKNESS_M) if plate else PARKED_PLATE_M

    def put_object(self, index: int, centre_m: np.ndarray, yaw_rad: float) -> None:
        """Place an object by hand, at rest; call ``pose`` or ``mj_forward`` afterwards."""
        start = self._object_qpos[index]
        self.data.qpos[start : start + 3] = centre_m
        self.data.qpos[start + 3 : start + 7] = (np.cos(yaw_rad / 2), 0, 0, np.sin(yaw_rad / 2))

    def pose(self, arms_rad: list[np.ndarray], closed_rad: tuple[float, float] = (0.0, 0.0)) -> None:
        """Put both arms (left, right; float64 [7] each) and hands in a posture, at rest, and hold it.

        ``closed_rad`` is the angle of the four fingers of the left and right hand: 0 is open.
        """
        posture = np.zeros(len(JOINTS))
        for side, arm, fingers in zip(SIDES, arms_rad, closed_rad, strict=True):
            posture[part_slots(f"{side}_arm")] = arm
            posture[part_slots(f"{side}_hand")] = (*[fingers] * 4, 0.0, THUMB_OPPOSED_RAD)
        self.data.qpos[self._qpos] = posture[MOVING_INDEX]
        self.data.qvel[:] = 0
        command = posture.copy()
        for side in SIDES:
            command[part_slots(f"{side}_hand")] = HAND_OPEN
        self.data.ctrl[:] = command[MOVING_INDEX]
        mujoco.mj_forward(self.model, self.data)

    def advance(self, action: np.ndarray) -> None:
        """Hold the 44 joint targets (radians) for one control step of 50 ms."""
        self.data.ctrl[:] = np.asarray(action, dtype=np.float64)[MOVING_INDEX]
        mujoco.mj_step(self.model, self.data, nstep=_SUBSTEPS)
        # Positions of bodies are those of the last substep's start until the kinematics are run again.
        mujoco.mj_forward(self.model, self.data)

    @property
    def state(self) -> np.ndarray:
        """Float64 [44], radians: the joint positions; zero for the joints that are fixed."""
        values = np.zeros(len(JOINTS))
        values[MOVING_INDEX] = self.data.qpos[self._qpos]
        return values

    @property
    def hands_m(self) -> np.ndarray:
        """Float64 [2, 3]: grasp points of the left and the right hand."""
        return self.data.site_xpos[self._sites].copy()

    @property
    def objects_m(self) -> np.ndarray:
        """Float64 [N, 3]: centres of the objects; row 0 is the named one."""
        return self.data.xpos[self._bodies].copy()

    @property
    def touched(self) -> np.ndarray:
        """Bool [N]: which objects are in contact with a hand."""
        return np.array([len(self._touching(index)) > 0 for index in range(len(self._bodies))])

    def pinched(self, side: str, index: int) -> bool:
        """Whether an object is between the thumb and at least two fingers of a hand, in contact with all."""
        touching = self._touching(index)
        thumb, *fingers = self._digits[side]
        return thumb in touching and np.isin(fingers, touching).sum() >= 2

    def _touching(self, index: int) -> np.ndarray:
        """Ids of the bodies of the hands in contact with an object."""
        geoms = self.data.contact.geom
        bodies = self.model.geom_bodyid[geoms]
        mine = (bodies == self._bodies[index]).any(axis=1)
        return bodies[mine][self.model.geom_contype[geoms[mine]] == _HAND_CONTACT_TYPE]

    @property
    def on_plate(self) -> np.ndarray:
        """Bool [N]: which objects rest over the plate (centre inside its radius, at resting height)."""
        if self.scene.plate_m is None:
            return np.zeros(len(self._bodies), dtype=bool)
        centres = self.objects_m
        over = np.linalg.norm(centres[:, :2] - self.scene.plate_m, axis=-1) < PLATE_RADIUS_M
        return over & (np.abs(centres[:, 2] - PLATE_TOP_M - self._half_heights_m) < PLACE_HEIGHT_M)

    @property
    def facts(self) -> Facts:
        return Facts(
            hands_m=self.hands_m,
            objects_m=self.objects_m,
            starts_m=self.starts_m,
            on_plate=self.on_plate,
            touched=self.touched,
            push_sign=self.scene.push_sign,
        )


def part_slots(name: str) -> slice:
    """Where a part ("left_arm", ...) lies in the 44 values."""
    lengths = [len(joints) for _, joints in PARTS]
    index = [part for part, _ in PARTS].index(name)
    return slice(sum(lengths[:index]), sum(lengths[: index + 1]))


def start_posture(side: str, grasp_m: tuple[float, float, float] | np.ndarray) -> np.ndarray:
    """Arm joints float64 [7] in radians that bring the grasp point of a hand to ``grasp_m`` from the rest posture."""
    return ArmKinematics(side).solve(rest_posture(side), np.asarray(grasp_m), iterations=_IK_ITERATIONS)
