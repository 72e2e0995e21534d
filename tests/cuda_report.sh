#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles each kernel source for sm_80, sm_90 and sm_100, warnings being errors, and prints for each the number of
# kernels, the most registers one takes, and the bytes spilled. Without nvcc it says so and does nothing.
#   NVCC=nvcc NVCC_STD='options' ARCH_90='target options' sh tests/cuda_report.sh FILE.cu...
command -v "$NVCC" >/dev/null || { echo "cuda-report: skipped, no nvcc here (Debian: nvidia-cuda-toolkit; or NVCC=PATH)"; exit 0; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
"$NVCC" --version | sed -n 's/^Cuda compilation tools, /nvcc /p'
printf '%-24s %-7s %8s %9s %8s %8s\n' source arch kernels registers spilled stack
status=0
for f in "$@"; do
    for arch in 80 90 100; do
        target=-arch=sm_$arch
        [ $arch != 90 ] || target=$ARCH_90
        # shellcheck disable=SC2086
        if ! "$NVCC" $NVCC_STD $target -Xptxas -v -c "$f" -o "$tmp/o" 2>"$tmp/log"; then
            cat "$tmp/log"
            status=1
        fi
        # warpgroup products that wait for one another: a mistake in how a kernel is written
        if grep 'wgmma.* serialized' "$tmp/log"; then status=1; fi
        awk -v f="$f" -v arch="sm_$arch" '
            /Compiling entry function/ { n++ }
            /bytes stack frame/ { for (i = 1; i < NF; i++) { if ($(i + 1) == "bytes" && $(i + 2) == "stack" && $i + 0 > stack) stack = $i + 0; if ($(i + 1) == "bytes" && $(i + 2) == "spill") spill += $i } }
            /Used [0-9]+ registers/ { for (i = 1; i < NF; i++) if ($i == "Used" && $(i + 1) + 0 > most) most = $(i + 1) + 0 }
            END { printf "%-24s %-7s %8d %9d %8d %8d\n", f, arch, n, most, spill, stack }' "$tmp/log"
    done
done
exit $status
