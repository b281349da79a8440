"""Every defect of the benchmark, in the order of the tables."""

from benchmarks.doctor.defects.clock import TIME_DEFECTS
from benchmarks.doctor.defects.copies import COPY_DEFECTS
from benchmarks.doctor.defects.defect import Defect
from benchmarks.doctor.defects.joints import JOINT_DEFECTS
from benchmarks.doctor.defects.language import LANGUAGE_DEFECTS
from benchmarks.doctor.defects.metadata import METADATA_DEFECTS
from benchmarks.doctor.defects.motion import MOTION_DEFECTS
from benchmarks.doctor.defects.pairing import PAIRING_DEFECTS
from benchmarks.doctor.defects.picture import PICTURE_DEFECTS
from benchmarks.doctor.defects.video import VIDEO_DEFECTS

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
