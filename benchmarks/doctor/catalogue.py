"""Every defect of the benchmark, in the order of the tables."""

from benchmarks.doctor.defect import Defect
from benchmarks.doctor.defects_copies import COPY_DEFECTS
from benchmarks.doctor.defects_joints import JOINT_DEFECTS
from benchmarks.doctor.defects_language import LANGUAGE_DEFECTS
from benchmarks.doctor.defects_metadata import METADATA_DEFECTS
from benchmarks.doctor.defects_motion import MOTION_DEFECTS
from benchmarks.doctor.defects_pairing import PAIRING_DEFECTS
from benchmarks.doctor.defects_picture import PICTURE_DEFECTS
from benchmarks.doctor.defects_time import TIME_DEFECTS
from benchmarks.doctor.defects_video import VIDEO_DEFECTS

DEFECTS: tuple[Defect, ...] = (
    *TIME_DEFECTS,
    *MOTION_DEFECTS,
    *JOINT_DEFECTS,
    *VIDEO_DEFECTS,
    *PICTURE_DEFECTS,
    *PAIRING_DEFECTS,
    *LANGUAGE_DEFECTS,
    *METADATA_DEFECTS,
    *COPY_DEFECTS,
)
