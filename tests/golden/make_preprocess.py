#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/preprocess/: what Pillow and transformers do to images.

    python tests/golden/make_preprocess.py        (written with Pillow 13.0, torchvision 0.29, transformers 5.23)

decode.tsv   file, width, height, tolerance: the file, and beside it NAME.rgb with the pixels that Pillow decodes
resize.tsv   like, filter, width, height, to width, to height, FNV-1a of the resized bytes
tiles.tsv    like, filter, tile h, tile w, min, max, width, height, tiles, FNV-1a of their 8-bit levels
preprocessor_config.json   as transformers saves it
tile.f32     pixel_values of the image 75 x 40 in tiles of 12 x 16, at most 4: three tiles, float32
The source images are computed, here and in the test, by pattern().
"""
import io
import os

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional as F
from transformers.models.got_ocr2.image_processing_got_ocr2 import GotOcr2ImageProcessor
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "preprocess")
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
FILTERS = {"lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4}


def pattern(w, h):
    """Slopes, edges and noise in whole numbers."""
    y, x, c = np.meshgrid(np.arange(h, dtype=np.int64), np.arange(w, dtype=np.int64), np.arange(3, dtype=np.int64), indexing="ij")
    slope = x * 3 + y * 5 + c * 40
    edge = ((x // 7 + y // 5 + c) % 2) * 120
    noise = ((x * 2654435761 + y * 40503 + c * 97) % 4294967296) >> 25
    return ((slope // 4 % 128 + edge + noise // (1 + c)) % 256).astype(np.uint8)


def fnv(a):
    h = 0xCBF29CE484222325
    for b in np.ascontiguousarray(a, dtype=np.uint8).tobytes():
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def decode_cases():
    rgb, grey = pattern(23, 17), pattern(23, 17)[..., 0]
    im, g = Image.fromarray(rgb), Image.fromarray(grey)
    smooth = Image.fromarray(pattern(46, 34)).resize((23, 17), Image.BOX)
    alpha = Image.fromarray(255 - grey)
    rgba, la = im.copy(), g.copy()
    rgba.putalpha(alpha)
    la.putalpha(alpha)
    pal = im.quantize(37)
    pal_t = im.quantize(13)
    pal_t.info["transparency"] = 3
    cases = []

    def add(name, image, fmt, tol=0, **kw):
        b = io.BytesIO()
        image.save(b, fmt, **kw)
        cases.append((name, b.getvalue(), tol))

    add("rgb.png", im, "png")
    add("grey.png", g, "png")
    add("grey1.png", g.convert("1"), "png")
    add("rgba.png", rgba, "png")
    add("la.png", la, "png")
    add("pal8.png", pal, "png")
    add("pal4.png", im.quantize(11), "png", bits=4)
    add("pal2.png", im.quantize(4), "png", bits=2)
    add("pal1.png", im.quantize(2), "png", bits=1)
    add("pal_trans.png", pal_t, "png", transparency=3)
    exif = Image.Exif()
    for o in range(1, 9):
        exif[0x0112] = o
        add(f"orient{o}.jpg", smooth, "jpeg", 1, quality=90, exif=exif.tobytes())
    add("orient6.png", im, "png", exif=_exif(6))
    add("orient5.webp", im, "webp", lossless=True, exif=_exif(5))
    add("grey.jpg", g, "jpeg", 1, quality=80)
    add("s420.jpg", smooth, "jpeg", 1, quality=80, subsampling=2)
    add("s444.jpg", smooth, "jpeg", 1, quality=80, subsampling=0)
    add("progressive.jpg", smooth, "jpeg", 1, quality=80, progressive=True)
    add("cmyk.jpg", Image.fromarray(np.dstack([pattern(23, 17), grey // 2])[:, :, :4], "CMYK"), "jpeg", 1, quality=95)
    add("lossless.webp", im, "webp", lossless=True)
    add("alpha.webp", rgba, "webp", lossless=True, exact=True)
    add("lossy.webp", smooth, "webp", 1, quality=80)
    add("lossy_alpha.webp", rgba, "webp", 1, quality=80)
    return cases


def _exif(o):
    e = Image.Exif()
    e[0x0112] = o
    return e.tobytes()


def make_decode():
    with open(os.path.join(OUT, "decode.tsv"), "w") as f:
        for name, data, tol in decode_cases():
            im = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
            with open(os.path.join(OUT, name), "wb") as g:
                g.write(data)
            with open(os.path.join(OUT, name + ".rgb"), "wb") as g:
                g.write(np.array(im).tobytes())
            f.write(f"{name}\t{im.width}\t{im.height}\t{tol}\n")


def torch_resize(a, w, h, filt):
    mode = {"lanczos": F.InterpolationMode.LANCZOS, "bilinear": F.InterpolationMode.BILINEAR,
            "bicubic": F.InterpolationMode.BICUBIC}[filt]
    t = torch.from_numpy(a).permute(2, 0, 1)[None]
    return F.resize(t, [h, w], interpolation=mode, antialias=True)[0].permute(1, 2, 0).numpy()


def make_resize():
    assert torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512"), "torch resamples bilinear in floats on older processors"
    sizes = [(64, 48, 40, 40), (40, 40, 64, 48), (37, 91, 91, 37), (1, 1, 16, 16), (1, 200, 24, 24), (300, 2, 20, 30),
             (50, 50, 50, 20), (50, 50, 20, 50), (50, 50, 50, 50), (123, 77, 1, 1), (33, 33, 34, 32), (700, 500, 96, 96),
             (96, 64, 448, 300), (5000, 1, 7, 3), (70, 90, 60, 20), (61, 40, 31, 11)]
    with open(os.path.join(OUT, "resize.tsv"), "w") as f:
        for w, h, tw, th in sizes:
            a = pattern(w, h)
            for name, number in FILTERS.items():
                r = np.array(Image.fromarray(a).resize((tw, th), number))
                f.write(f"pillow\t{name}\t{w}\t{h}\t{tw}\t{th}\t{fnv(r)}\n")
            for name in ("lanczos", "bilinear", "bicubic"):
                f.write(f"torch\t{name}\t{w}\t{h}\t{tw}\t{th}\t{fnv(torch_resize(a, tw, th, name))}\n")


def tiles_of(cls, filt, th, tw, lo, hi, w, h):
    p = cls(size={"height": th, "width": tw}, crop_to_patches=True, min_patches=lo, max_patches=hi,
            image_mean=MEAN, image_std=STD, resample=FILTERS[filt])
    return np.asarray(p(Image.fromarray(pattern(w, h)), return_tensors="pt")["pixel_values"])


def make_tiles():
    sizes = [(28, 28), (57, 56), (56, 28), (100, 30), (30, 100), (1, 1), (400, 3), (2, 333), (85, 57), (84, 56),
             (200, 200), (91, 61), (113, 84), (29, 31), (224, 224)]
    with open(os.path.join(OUT, "tiles.tsv"), "w") as f:
        for like, cls in (("torch", GotOcr2ImageProcessor), ("pillow", GotOcr2ImageProcessorPil)):
            for th, tw, lo, hi in ((28, 28, 1, 12), (20, 36, 1, 6), (28, 28, 4, 4), (28, 28, 1, 1), (28, 28, 2, 40)):
                for w, h in sizes:
                    x = tiles_of(cls, "bicubic", th, tw, lo, hi, w, h).astype(np.float64)
                    std, mean = np.array(STD).reshape(1, 3, 1, 1), np.array(MEAN).reshape(1, 3, 1, 1)
                    u8 = (x * std + mean) * 255
                    assert abs(u8 - np.rint(u8)).max() < 1e-3
                    f.write(f"{like}\tbicubic\t{th}\t{tw}\t{lo}\t{hi}\t{w}\t{h}\t{len(x)}\t{fnv(np.rint(u8))}\n")
    tiles_of(GotOcr2ImageProcessor, "bicubic", 12, 16, 1, 4, 75, 40).astype("<f4").tofile(os.path.join(OUT, "tile.f32"))


def make_config():
    p = GotOcr2ImageProcessor(size={"height": 24, "width": 32}, crop_to_patches=True, min_patches=2, max_patches=7,
                              image_mean=MEAN, image_std=STD, resample=2)
    p.save_pretrained(OUT)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    make_decode()
    make_resize()
    make_tiles()
    make_config()
