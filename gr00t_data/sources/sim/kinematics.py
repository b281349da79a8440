# pyright: reportAttributeAccessIssue=false
# (mujoco is compiled and ships no stubs)
"""Inverse kinematics: damped least squares on a kinematic copy of the robot that nothing else sees."""

import mujoco
import numpy as np

from gr00t_data.sources.sim.body import ARM_JOINTS, joint_range, rest_posture
from gr00t_data.sources.sim.scene import compiled, ids_of

HAND_PITCH_RAD = -0.35
"""The hands point 70 degrees down: this rotation about y from hanging straight."""
_DAMPING_SQUARE = 0.03**2 * np.eye(6)
_ROTATION_WEIGHT_M = 0.15
_POSTURE_GAIN = 0.08
_LARGEST_TURN_RAD = 0.3


class ArmKinematics:
    """Forward and inverse kinematics of one arm with its hand at a fixed orientation.

    Args:
        side: "left" or "right".
    """

    def __init__(self, side: str) -> None:
        self._model = compiled(())
        self._data = mujoco.MjData(self._model)
        joints = ids_of(self._model, mujoco.mjtObj.mjOBJ_JOINT, [f"{side}_{joint}" for joint in ARM_JOINTS])
        self._qpos = self._model.jnt_qposadr[joints]
        self._dof = self._model.jnt_dofadr[joints]
        self._site = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_SITE, f"{side}_grasp")
        self._low, self._high = np.array([joint_range(side, joint) for joint in ARM_JOINTS]).T
        self._rest = rest_posture(side)
        self._jacobian = np.zeros((2, 3, self._model.nv))
        cosine, sine = np.cos(HAND_PITCH_RAD), np.sin(HAND_PITCH_RAD)
        self._rotation = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])

    def place(self, joints_rad: np.ndarray) -> np.ndarray:
        """Grasp point in metres, float64 [3], for arm joints float64 [7] in radians."""
        self._data.qpos[self._qpos] = joints_rad
        mujoco.mj_kinematics(self._model, self._data)
        return self._data.site_xpos[self._site].copy()

    def solve(self, joints_rad: np.ndarray, goal_m: np.ndarray, iterations: int = 5) -> np.ndarray:
        """Joints float64 [7] near ``joints_rad`` that bring the grasp point to ``goal_m`` [3]; inside the limits."""
        joints = np.array(joints_rad)
        for _ in range(iterations):
            joints = np.clip(joints + self._turn(joints, goal_m), self._low, self._high)
        return joints

    def _turn(self, joints: np.ndarray, goal_m: np.ndarray) -> np.ndarray:
        """One damped least-squares step in radians [7]; what is left of the freedom goes towards the rest posture."""
        position_error = goal_m - self.place(joints)
        jacobian, rotation_error = self._rotate()
        error = np.concatenate([position_error, rotation_error * _ROTATION_WEIGHT_M])
        jacobian[3:] *= _ROTATION_WEIGHT_M
        pull = _POSTURE_GAIN * (self._rest - joints)
        turn = _damped_turn(jacobian, error, pull)
        # A joint that would leave its range stays where it is; the others then do its share.
        stuck = (joints + turn < self._low) | (joints + turn > self._high)
        if stuck.any():
            turn = _damped_turn(np.where(stuck, 0.0, jacobian), error, np.where(stuck, 0.0, pull))
        return np.clip(turn, -_LARGEST_TURN_RAD, _LARGEST_TURN_RAD)

    def _rotate(self) -> tuple[np.ndarray, np.ndarray]:
        """Jacobian [6, 7] of the grasp point (position over rotation) and the rotation still missing [3]."""
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_jacSite(self._model, self._data, self._jacobian[0], self._jacobian[1], self._site)
        now = self._data.site_xmat[self._site].reshape(3, 3)
        # The axis of the rotation that is missing, from the antisymmetric part of (wanted x now transposed).
        turn = self._rotation @ now.T
        missing = 0.5 * np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
        return self._jacobian[:, :, self._dof].reshape(6, len(self._dof)), missing


def _damped_turn(jacobian: np.ndarray, error: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Joint step [7] that reduces ``error`` [6] and follows ``pull`` [7] where the task leaves freedom."""
    square = jacobian @ jacobian.T + _DAMPING_SQUARE
    return pull + jacobian.T @ np.linalg.solve(square, error - jacobian @ pull)
