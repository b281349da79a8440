# pyright: reportAttributeAccessIssue=false
# (mujoco is compiled and ships no stubs)
"""The world around the robot: a table, a plate, a few objects; as MJCF text and as a compiled, read-only model."""

from functools import lru_cache

import mujoco
import numpy as np

from gr00t_data.sources.sim.body import actuators_xml, robot_xml

TABLE_TOP_M = 0.9
TABLE_X_M = (0.06, 1.05)
TABLE_HALF_WIDTH_M = 0.75
PLATE_RADIUS_M = 0.085
PLATE_HALF_THICKNESS_M = 0.005
PLATE_TOP_M = TABLE_TOP_M + 2 * PLATE_HALF_THICKNESS_M
PARKED_PLATE_M = (0.0, 0.0, -3.0)
"""Where the plate lies when a scene has none."""

SHAPES = ("cube", "sphere", "cylinder", "capsule")
_MASS_KG = 0.06
HALF_HEIGHT_M = {"cube": 0.026, "sphere": 0.028, "cylinder": 0.03, "capsule": 0.025}
"""Height of an object's centre over what it rests on. The capsule lies on its side, along x when its yaw is zero."""
_GEOM = {
    "cube": 'type="box" size="0.026 0.026 0.026"',
    "sphere": 'type="sphere" size="0.028"',
    "cylinder": 'type="cylinder" size="0.026 0.03"',
    "capsule": 'type="capsule" size="0.025 0.022" euler="0 1.5708 0"',
}

DYNAMIC_GROUP = 1

# Elliptic cones with impratio 10, soft contact constants and friction as known to hold a 60 g object in this hand.
_OPTIONS = """
<compiler angle="radian" autolimits="true"/>
<option timestep="0.005" integrator="implicitfast" cone="elliptic" impratio="10"/>
<default>
  <default class="shoulder">
    <joint armature="0.03" damping="1"/><position kp="400" dampratio="1" forcerange="-120 120"/>
  </default>
  <default class="wrist">
    <joint armature="0.03" damping="1"/><position kp="150" dampratio="1" forcerange="-40 40"/>
  </default>
  <default class="finger">
    <joint armature="0.001" damping="0.03"/><position kp="1.2" forcerange="-0.3 0.3"/>
  </default>
  <default class="thumb">
    <joint armature="0.001" damping="0.06"/><position kp="1.2" forcerange="-1.6 1.6"/>
  </default>
  <default class="limb"><geom group="1" contype="0" conaffinity="0"/></default>
  <default class="hand">
    <geom group="1" contype="1" conaffinity="2" condim="4" friction="2 0.02 0.001" solref="0.01 1"
          solimp="0.95 0.99 0.001"/>
  </default>
  <default class="object">
    <geom group="1" contype="2" conaffinity="3" condim="6" friction="1.5 0.02 0.004" solref="0.01 1"
          solimp="0.95 0.99 0.001"/>
  </default>
  <default class="furniture">
    <geom group="0" contype="2" conaffinity="3" condim="6" friction="0.6 0.02 0.004" priority="1" solref="0.01 1"
          solimp="0.95 0.99 0.001"/>
  </default>
</default>
"""


def scene_xml(shapes: tuple[str, ...]) -> str:
    """MJCF text of the robot, the table, the plate and one free body an entry of ``shapes`` (``object0``, ...)."""
    middle_x, half_x = (TABLE_X_M[0] + TABLE_X_M[1]) / 2, (TABLE_X_M[1] - TABLE_X_M[0]) / 2
    objects = [
        f'<body name="object{index}"><freejoint name="object{index}"/>'
        f'<geom name="object{index}" class="object" {_GEOM[shape]} mass="{_MASS_KG}"/></body>'
        for index, shape in enumerate(shapes)
    ]
    return f"""<mujoco model="tabletop">{_OPTIONS}<worldbody>
<geom name="table" class="furniture" type="box" pos="{middle_x} 0 {TABLE_TOP_M - 0.02}"
      size="{half_x} {TABLE_HALF_WIDTH_M} 0.02"/>
<body name="plate" mocap="true" pos="0 0 -3">
  <geom name="plate" class="furniture" type="cylinder" size="{PLATE_RADIUS_M} {PLATE_HALF_THICKNESS_M}"/>
</body>
{robot_xml()}
{"".join(objects)}
</worldbody><actuator>{actuators_xml()}</actuator></mujoco>"""


@lru_cache(maxsize=128)
def compiled(shapes: tuple[str, ...]) -> mujoco.MjModel:
    """The model of a scene with these objects; compiled once a process, shared, never to be changed.

    Raises:
        KeyError: a shape is not one of SHAPES.
    """
    return mujoco.MjModel.from_xml_string(scene_xml(shapes))


def up(height_m: float) -> np.ndarray:
    """A step upwards, float64 [3], metres."""
    return np.array([0.0, 0.0, height_m])


def ids_of(model: mujoco.MjModel, kind: mujoco.mjtObj, names: list[str]) -> np.ndarray:
    """Int64 [len(names)]: the ids of named model elements."""
    return np.array([mujoco.mj_name2id(model, kind, name) for name in names])
