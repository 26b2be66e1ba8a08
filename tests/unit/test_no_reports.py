"""No library that Vedette stands on may report its use to anybody: "sends nothing anywhere" is a promise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.probes import PROBES

IMPORTS = {
    "detecting": "import pipeline.detect.openvino",
    "a probe of the doctor": PROBES["openvino"],
    "quantising": "import pipeline, importlib.util\nif importlib.util.find_spec('nncf'): import nncf",
}


@pytest.mark.parametrize("what", IMPORTS)
def test_openvino_leaves_no_client_id_and_loads_no_sender(what: str, tmp_path: Path) -> None:
    looked = "import sys\nassert sys.modules.get('openvino_telemetry') is None\nassert 'openvino' in sys.modules"
    if what == "quantising":
        looked = looked.rpartition("\n")[0]
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "TF_BUILD", "JENKINS_URL")}
    subprocess.run(
        [sys.executable, "-c", f"{IMPORTS[what]}\n{looked}"], check=True, env={**environment, "HOME": str(tmp_path)}
    )
    assert not (tmp_path / "intel").exists()
