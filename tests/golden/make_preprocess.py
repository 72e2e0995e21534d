#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/preprocess/: what Pillow and transformers do to images.

    python tests/golden/make_preprocess.py        (written with Pillow 13.0, torchvision 0.29, transformers 5.23)

decode.tsv   file, width, height, tolerance: the file, and beside it NAME.rgb with the pixels that Pillow decodes
white.tsv    the same with transparency laid over white, as transformers' convert_to_rgb does it: NAME.white
resize.tsv   like, filter, width, height, to width, to height, FNV-1a of the resized bytes
tiles.tsv    like, filter, tile h, tile w, min, max, width, height, tiles, FNV-1a of their 8-bit levels
cuts.tsv     processor, like, filter, tile side, longest edge (Idefics3) or 0, sizes HxW,... (LlavaNext) or -, width, height,
             tiles, columns, rows, FNV-1a of their 8-bit levels
whole.tsv    like, patch, merge, min pixels, max pixels, width, height, to width, to height, FNV-1a of their 8-bit levels (Qwen2-VL)
llava_next.json, idefics3.json, qwen2_vl.json   as transformers saves them
preprocessor_config.json   as transformers saves it
tile.f32     pixel_values of the image 75 x 40 in tiles of 12 x 16, at most 4: three tiles, float32
The source images are computed, here and in the test, by pattern().
"""
import io
import os
import struct
import zlib

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional as F
from transformers.models.got_ocr2.image_processing_got_ocr2 import GotOcr2ImageProcessor
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.image_processing_utils import select_best_resolution
from transformers.image_transforms import convert_to_rgb
from transformers.models.idefics3.image_processing_idefics3 import Idefics3ImageProcessor
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_llava_next import LlavaNextImageProcessor
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

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
    cases.append(("ycck.jpg", ycck(cases[-1][1]), 1))
    for name, channels in (("grey16.png", 1), ("la16.png", 2), ("rgb16.png", 3), ("rgba16.png", 4)):
        cases.append((name, png16(channels), 0))
    add("lossless.webp", im, "webp", lossless=True)
    add("alpha.webp", rgba, "webp", lossless=True, exact=True)
    add("lossy.webp", smooth, "webp", 1, quality=80)
    add("lossy_alpha.webp", rgba, "webp", 1, quality=80)
    return cases


def ycck(cmyk):
    """The same numbers as YCCK, which Pillow reads and does not write: Adobe's mark says 2 instead of 0."""
    at = cmyk.index(b"Adobe") + 11
    assert cmyk[at] == 0
    return cmyk[:at] + b"\2" + cmyk[at + 1:]


def png16(channels):
    """16 bits a channel, which Pillow cannot write: grey (some of it within 255), grey and alpha, RGB, RGBA."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    a = np.concatenate([pattern(23, 17), pattern(23, 17)[..., :1]], axis=2)[..., -channels:].astype(np.uint16)
    a = a * (1 if channels == 1 else 257) + (np.arange(23, dtype=np.uint16)[None, :, None] * (20 if channels == 1 else 3))
    rows = b"".join(b"\0" + r.astype(">u2").tobytes() for r in a)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", 23, 17, 16, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


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
    names = [n for n, *_ in decode_cases() if n in ("rgba.png", "la.png", "pal_trans.png", "rgba16.png", "la16.png", "rgb.png",
                                                    "pal8.png", "grey16.png", "alpha.webp", "lossy_alpha.webp", "s444.jpg")]
    with open(os.path.join(OUT, "white.tsv"), "w") as f:
        for name in names:
            im = convert_to_rgb(Image.open(os.path.join(OUT, name)), return_numpy=True)
            with open(os.path.join(OUT, name + ".white"), "wb") as g:
                g.write(im.tobytes())
            f.write(f"{name}\t{im.shape[1]}\t{im.shape[0]}\t{int(name.startswith(('lossy', 's444')))}\n")


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


def level_fnv(x, mean, std):
    u8 = (x.astype(np.float64) * np.array(std).reshape(1, 3, 1, 1) + np.array(mean).reshape(1, 3, 1, 1)) * 255
    assert abs(u8 - np.rint(u8)).max() < 1e-3
    return fnv(np.rint(u8))


def llava_line(like, cls, filt, side, sizes, w, h):
    p = cls(size={"shortest_edge": side}, crop_size={"height": side, "width": side}, image_grid_pinpoints=[list(s) for s in sizes],
            image_mean=MEAN, image_std=STD, resample=FILTERS[filt])
    x = np.asarray(p(Image.fromarray(pattern(w, h)), return_tensors="pt")["pixel_values"])[0]
    best = select_best_resolution((h, w), sizes)
    rows, cols = best[0] // side, best[1] // side
    assert len(x) == rows * cols + 1
    text = ",".join(f"{a}x{b}" for a, b in sizes)
    return f"llava_next\t{like}\t{filt}\t{side}\t0\t{text}\t{w}\t{h}\t{len(x)}\t{cols}\t{rows}\t{level_fnv(x, MEAN, STD)}\n"


def idefics_line(like, cls, filt, side, longest, split, w, h):
    p = cls(size={"longest_edge": longest}, max_image_size={"longest_edge": side}, do_image_splitting=split,
            image_mean=MEAN, image_std=STD, resample=FILTERS[filt])
    r = p(Image.fromarray(pattern(w, h)), return_tensors="pt", return_row_col_info=True)
    x = np.asarray(r["pixel_values"])[0]
    rows, cols = (max(1, int(r[k][0][0])) for k in ("rows", "cols"))
    name = "idefics3" if split else "idefics3_whole"
    return f"{name}\t{like}\t{filt}\t{side}\t{longest}\t-\t{w}\t{h}\t{len(x)}\t{cols}\t{rows}\t{level_fnv(x, MEAN, STD)}\n"


def make_cuts():
    images = [(28, 28), (57, 56), (56, 28), (100, 30), (30, 100), (1, 1), (400, 3), (2, 333), (85, 57), (200, 200), (61, 91), (113, 84), (29, 31)]
    grids = [(28, [(28, 56), (56, 28), (56, 56), (84, 28), (28, 84)]), (20, [(40, 20), (20, 60)])]
    with open(os.path.join(OUT, "cuts.tsv"), "w") as f:
        for w, h in images:
            for like, llava, idefics in (("torch", LlavaNextImageProcessor, Idefics3ImageProcessor),
                                         ("pillow", LlavaNextImageProcessorPil, Idefics3ImageProcessorPil)):
                for side, sizes in grids: f.write(llava_line(like, llava, "bicubic", side, sizes, w, h))
                f.write(llava_line(like, llava, "bilinear", 28, grids[0][1], w, h))
                for side, longest, split in ((28, 112, True), (30, 75, True), (13, 61, True), (28, 84, False)):
                    f.write(idefics_line(like, idefics, "lanczos", side, longest, split, w, h))
        for w, h in ((5000, 4900), (31, 9000)):         # beyond the most pixels of a side, 4096
            f.write(idefics_line("torch", Idefics3ImageProcessor, "bilinear", 1400, 5000, True, w, h))


def whole_line(like, cls, patch, merge, lo, hi, w, h):
    p = cls(patch_size=patch, merge_size=merge, min_pixels=lo, max_pixels=hi, image_mean=MEAN, image_std=STD)
    r = p(Image.fromarray(pattern(w, h)), return_tensors="pt")
    gh, gw = r["image_grid_thw"][0, 1:].tolist()
    x = np.asarray(r["pixel_values"]).reshape(gh // merge, gw // merge, merge, merge, 3, 2, patch, patch)
    assert (x[:, :, :, :, :, 0] == x[:, :, :, :, :, 1]).all()
    x = x[:, :, :, :, :, 0].transpose(4, 0, 2, 5, 1, 3, 6).reshape(1, 3, gh * patch, gw * patch)
    return f"{like}\t{patch}\t{merge}\t{lo}\t{hi}\t{w}\t{h}\t{gw * patch}\t{gh * patch}\t{level_fnv(x, MEAN, STD)}\n"


def make_whole():
    sizes = [(28, 28), (42, 70), (14, 14), (1, 1), (1, 200), (200, 1), (3, 500), (57, 56), (400, 3), (113, 84), (224, 224), (29, 31),
             (91, 61), (700, 500), (13, 999), (640, 480), (41, 43), (350, 350)]
    with open(os.path.join(OUT, "whole.tsv"), "w") as f:
        for like, cls in (("torch", Qwen2VLImageProcessor), ("pillow", Qwen2VLImageProcessorPil)):
            for patch, merge, lo, hi in ((14, 2, 56 * 56, 28 * 28 * 1280), (4, 2, 256, 6400), (7, 3, 441, 441), (16, 1, 1, 100000)):
                for w, h in sizes: f.write(whole_line(like, cls, patch, merge, lo, hi, w, h))


def make_config():
    Qwen2VLImageProcessor(min_pixels=784, max_pixels=78400, patch_size=7, merge_size=3).to_json_file(os.path.join(OUT, "qwen2_vl.json"))
    LlavaNextImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, resample=2,
                            image_grid_pinpoints=[[28, 56], [84, 28]]).to_json_file(os.path.join(OUT, "llava_next.json"))
    Idefics3ImageProcessor(size={"longest_edge": 77}, max_image_size={"longest_edge": 33}).to_json_file(os.path.join(OUT, "idefics3.json"))
    p = GotOcr2ImageProcessor(size={"height": 24, "width": 32}, crop_to_patches=True, min_patches=2, max_patches=7,
                              image_mean=MEAN, image_std=STD, resample=2)
    p.save_pretrained(OUT)


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    make_decode()
    make_resize()
    make_tiles()
    make_cuts()
    make_whole()
    make_config()
