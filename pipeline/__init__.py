"""Vedette's library: pure stages from compressed packets to explained alerts. Start at ``replay.py``.

Nothing leaves this machine, so the usage reports that OpenVINO and NNCF send to Google Analytics unless somebody has
declined them are made impossible here, before either can be imported: both go on without the package that sends them.
"""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # importing it now raises ImportError
