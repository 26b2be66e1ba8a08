"""Starts ``transformers serve`` as a process of its own: ``python serve.py serve FOLDER --port N …``.

Where torchvision was built for another torch (see ``checkpoints.mend_torchvision``), its compiled JPEG decoder is
missing too; Pillow, which transformers used before, takes its place. Nothing else of the server is touched.
"""

from __future__ import annotations

import io
import runpy
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    sys.path.pop(0)  # this folder, whose modules must not be taken for anybody else's
    checkpoints = runpy.run_path(str(Path(__file__).with_name("checkpoints.py")))
    checkpoints["mend_torchvision"]()
    import torch
    from torchvision.io import image

    if not image._has_image_ops():
        _decode_with_pillow(image)
    torch.set_num_threads(1)
    from transformers.cli.transformers import main as serve

    sys.argv[0] = "transformers"
    serve()


def _decode_with_pillow(image: Any) -> None:
    import numpy as np
    import torch
    import torchvision
    from PIL import Image

    def decode(encoded: Any, **_: object) -> Any:
        rgb = Image.open(io.BytesIO(encoded.numpy().tobytes())).convert("RGB")
        return torch.from_numpy(np.array(rgb)).permute(2, 0, 1)

    image.decode_image = torchvision.io.decode_image = decode


if __name__ == "__main__":
    main()
