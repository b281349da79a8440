"""The robot: a two-armed humanoid whose joints are named, ordered and bounded like the Fourier GR-1.

Axes: x forward, y left, z up; metres and radians; every joint is zero when the arm hangs straight down. Signs follow
the GR-1 teleoperation corpus published with GR00T: a bent elbow is negative, an arm raised to the front has negative
shoulder pitch, the right shoulder roll opens to negative values. The ranges stay inside the extremes of that corpus.
"""

import numpy as np

ROBOT = "gr1"
"""The embodiment that it is, and the only one that can be simulated."""

ARM_JOINTS = (
    "shoulder_pitch",
    "shoulder_roll",
    "shoulder_yaw",
    "elbow_pitch",
    "wrist_yaw",
    "wrist_roll",
    "wrist_pitch",
)
FINGERS = ("pinky", "ring", "middle", "index")
HAND_JOINTS = (*FINGERS, "thumb_pitch", "thumb_yaw")
_LEG_JOINTS = ("hip_roll", "hip_yaw", "hip_pitch", "knee_pitch", "ankle_pitch", "ankle_roll")
_NECK_JOINTS = ("head_roll", "head_pitch", "head_yaw")
_WAIST_JOINTS = ("waist_yaw", "waist_pitch", "waist_roll")
SIDES = ("left", "right")
_IN = {"left": -1, "right": 1}
"""Which way along y is in for an arm."""

PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("left_arm", tuple(f"left_{j}" for j in ARM_JOINTS)),
    ("left_hand", tuple(f"left_{j}" for j in HAND_JOINTS)),
    ("left_leg", tuple(f"left_{j}" for j in _LEG_JOINTS)),
    ("neck", _NECK_JOINTS),
    ("right_arm", tuple(f"right_{j}" for j in ARM_JOINTS)),
    ("right_hand", tuple(f"right_{j}" for j in HAND_JOINTS)),
    ("right_leg", tuple(f"right_{j}" for j in _LEG_JOINTS)),
    ("waist", _WAIST_JOINTS),
)
JOINTS = tuple(joint for _, joints in PARTS for joint in joints)
"""The 44 names, in the order of the state and of the action. Legs, neck and waist are fixed: always zero."""

MOVING = tuple(f"{side}_{joint}" for side in SIDES for joint in ARM_JOINTS + HAND_JOINTS)
"""The 26 joints that exist in the physics, in the order of its actuators."""
MOVING_INDEX = np.array([JOINTS.index(name) for name in MOVING])

HAND_OPEN = (-1.5, -1.5, -1.5, -1.5, -3.0, 3.0)
"""Hand command for open: beyond the joint limits, as in the corpus (fingers, thumb pitch, thumb yaw)."""
HAND_CLOSED = (1.5, 1.5, 1.5, 1.5, 3.0, 3.0)
THUMB_OPPOSED_RAD = 1.74

SHOULDER_HEIGHT_M = 1.38
SHOULDER_HALF_WIDTH_M = 0.18
UPPER_ARM_M = 0.28
FOREARM_M = 0.25
GRASP_BELOW_WRIST_M = 0.147
GRASP_BEFORE_PALM_M = 0.038

_MIRRORED = ("shoulder_roll", "shoulder_yaw", "wrist_yaw", "wrist_roll")
_LEFT_RANGES_RAD = {
    "shoulder_pitch": (-1.75, 1.3),
    "shoulder_roll": (-0.08, 1.55),
    "shoulder_yaw": (-1.65, 1.7),
    "elbow_pitch": (-2.5, 0.0),
    "wrist_yaw": (-2.3, 2.3),
    "wrist_roll": (-1.4, 1.45),
    "wrist_pitch": (-1.4, 1.5),
}
_HAND_RANGES_RAD = {"thumb_pitch": (0.0, 0.3), "thumb_yaw": (0.0, THUMB_OPPOSED_RAD)}
_FINGER_RANGE_RAD = (0.0, 1.5)
# A comfortable posture with the forearms forward: what the redundant joint of an arm is drawn to.
_LEFT_REST_RAD = (0.25, 0.12, 0.0, -1.75, 0.0, 0.0, 1.15)


def joint_range(side: str, joint: str) -> tuple[float, float]:
    """Lower and upper limit in radians of one moving joint; ``joint`` without the side."""
    if joint in HAND_JOINTS:
        return _HAND_RANGES_RAD.get(joint, _FINGER_RANGE_RAD)
    low, high = _LEFT_RANGES_RAD[joint]
    return (-high, -low) if side == "right" and joint in _MIRRORED else (low, high)


def rest_posture(side: str) -> np.ndarray:
    """Float64 [7], radians: forearm forward, hand pointing down."""
    signs = [-1.0 if side == "right" and joint in _MIRRORED else 1.0 for joint in ARM_JOINTS]
    return np.array(_LEFT_REST_RAD) * signs


def robot_xml() -> str:
    """MJCF of the torso (drawn for viewers only) and of both arms, to stand inside ``<worldbody>``."""
    torso = (
        '<geom name="torso" type="box" pos="-0.12 0 1.2" size="0.08 0.14 0.25" group="3" contype="0" conaffinity="0"/>'
        '<geom name="head" type="sphere" pos="-0.1 0 1.58" size="0.1" group="3" contype="0" conaffinity="0"/>'
    )
    return torso + "".join(_arm_xml(side) for side in SIDES)


def actuators_xml() -> str:
    """MJCF of one position servo a moving joint, in the order of MOVING."""
    return "".join(
        f'<position name="{side}_{joint}" joint="{side}_{joint}" {_servo(joint)}/>'
        for side in SIDES
        for joint in ARM_JOINTS + HAND_JOINTS
    )


def _servo(joint: str) -> str:
    """Gains in N·m/rad and torque limits in N·m: stiff arms, hands that give way."""
    if joint in ARM_JOINTS:
        return 'class="wrist"' if joint.startswith("wrist") else 'class="shoulder"'
    return 'class="thumb"' if joint.startswith("thumb") else 'class="finger"'


def _hinge(side: str, joint: str, axis: str, kind: str) -> str:
    low, high = joint_range(side, joint)
    return f'<joint name="{side}_{joint}" class="{kind}" axis="{axis}" range="{low} {high}"/>'


def _arm_xml(side: str) -> str:
    shoulder = "".join(
        _hinge(side, f"shoulder_{turn}", axis, "shoulder")
        for turn, axis in (("pitch", "0 1 0"), ("roll", "1 0 0"), ("yaw", "0 0 1"))
    )
    wrist = "".join(
        _hinge(side, f"wrist_{turn}", axis, "wrist")
        for turn, axis in (("yaw", "0 0 1"), ("roll", "1 0 0"), ("pitch", "0 1 0"))
    )
    return f"""
<body name="{side}_upper_arm" pos="0 {-_IN[side] * SHOULDER_HALF_WIDTH_M} {SHOULDER_HEIGHT_M}" gravcomp="1">
  {shoulder}
  <geom class="limb" type="capsule" fromto="0 0 0 0 0 -{UPPER_ARM_M}" size="0.042" mass="1.5"/>
  <body name="{side}_forearm" pos="0 0 -{UPPER_ARM_M}" gravcomp="1">
    {_hinge(side, "elbow_pitch", "0 1 0", "shoulder")}
    <geom class="limb" type="capsule" fromto="0 0 0 0 0 -{FOREARM_M - 0.03}" size="0.034" mass="0.9"/>
    <body name="{side}_palm" pos="0 0 -{FOREARM_M}" gravcomp="1">
      {wrist}
      <geom class="hand" name="{side}_palm" type="box" pos="0 0 -0.05" size="0.036 0.012 0.045" mass="0.3"/>
      <site name="{side}_grasp" pos="0 {_IN[side] * GRASP_BEFORE_PALM_M} -{GRASP_BELOW_WRIST_M}"/>
      {"".join(_finger_xml(side, index) for index in range(4))}
      {_thumb_xml(side)}
    </body>
  </body>
</body>"""


def _finger_xml(side: str, index: int) -> str:
    """One hinge a finger; straight at zero it leans out by 0.45 rad, its tip is bent back in by 0.5 rad."""
    axis = f"{_IN[side]} 0 0"
    return f"""
<body name="{side}_{HAND_JOINTS[index]}" pos="{(index - 1.5) * 0.016:.4f} 0 -0.093"
      euler="{-0.45 * _IN[side]} 0 0" gravcomp="1">
  {_hinge(side, HAND_JOINTS[index], axis, "finger")}
  <geom class="hand" type="capsule" fromto="0 0 0 0 0 -0.042" size="0.0085" mass="0.02"/>
  <geom class="hand" type="capsule" fromto="0 0 -0.042 0 {_IN[side] * 0.0153:.4f} -0.0701" size="0.0085" mass="0.02"/>
</body>"""


def _thumb_xml(side: str) -> str:
    """Two hinges: yaw swings the thumb from beside the palm (0) to opposite the fingers (1.74), pitch closes it."""
    return f"""
<body name="{side}_thumb_root" pos="0 {_IN[side] * 0.005} -0.062" euler="0 0 {-0.17 * _IN[side]}" gravcomp="1">
  {_hinge(side, "thumb_yaw", f"0 0 {_IN[side]}", "thumb")}
  <geom class="hand" type="capsule" fromto="0.01 0 0 0.085 0 0" size="0.009" mass="0.03"/>
  <body name="{side}_thumb" pos="0.088 0 0" gravcomp="1">
    {_hinge(side, "thumb_pitch", "0 1 0", "thumb")}
    <geom class="hand" name="{side}_thumb" type="box" pos="0 0 -0.048" size="0.007 0.02 0.05" mass="0.03"/>
  </body>
</body>"""
