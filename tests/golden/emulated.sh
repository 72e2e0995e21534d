#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The goldens of a few families on the emulated CUDA backend: logits, gradients and ten training steps against transformers,
# through the kernels that a device runs. (TAP; tests/run.sh gives COS_BIN)
[ -f "$COS_BIN/kernels-emu.a" ] || { echo 1..0; exit 0; }
status=0
for t in t_internvl t_internvl_chat t_qwen_vl t_decoders; do COS_DEVICE=cuda "$COS_BIN/tests/golden/$t" || status=1; done
exit $status
