"""What runs by itself: on when ``GR00T_AUTOMATION`` is ``on``, else whoever wants it switches it on in the UI."""

import os

import dagster as dg

_ON = os.environ.get("GR00T_AUTOMATION", "") == "on"

SENSORS = dg.DefaultSensorStatus.RUNNING if _ON else dg.DefaultSensorStatus.STOPPED
SCHEDULES = dg.DefaultScheduleStatus.RUNNING if _ON else dg.DefaultScheduleStatus.STOPPED
CONTENT_TAG = "gr00t/content"
"""Tag of a run: digest of the accepted episodes that asked for it."""
EVERY_S = int(os.environ.get("GR00T_SENSOR_SECONDS") or 30)
