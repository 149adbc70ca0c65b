# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the pictures of the documentation are kept: small, and the same bytes from the same data."""
import io

import matplotlib.pyplot as plt
from PIL import Image


def save(figure, path):
    """Writes a PNG of 256 colours and closes the figure."""
    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=100)
    plt.close(figure)
    picture = Image.open(memory).convert("RGB").quantize(
        256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
