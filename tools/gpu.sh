#!/usr/bin/env bash
# What nvidia-smi says of this machine's GPUs. Prints nothing where there is none with CUDA 12 or later.
# usage: tools/gpu.sh lock     the lock that holds the right CuPy: cuda12 or cuda13
#        tools/gpu.sh count    how many devices a run may use
set -euo pipefail

command -v nvidia-smi >/dev/null || exit 0
# An installed driver without a working device ends here too; one that hangs is no use either.
header=$(timeout 30 nvidia-smi 2>/dev/null) || exit 0
cuda_major=$(sed -n 's/.*CUDA[A-Za-z ]* Version: *\([0-9][0-9]*\).*/\1/p' <<<"$header" | head -n 1)
((${cuda_major:-0} >= 12)) || exit 0

if [[ -n ${CUDA_VISIBLE_DEVICES+set} ]]; then
  devices=$(tr ',' '\n' <<<"$CUDA_VISIBLE_DEVICES")
else
  devices=$(nvidia-smi -L)
  slices=$(grep '^ *MIG' <<<"$devices" || true)
  devices=${slices:-$devices}
fi
count=$(grep -c '[^[:space:]]' <<<"$devices" || true)
((count > 0)) || exit 0

case ${1:-} in
  lock) if ((cuda_major >= 13)); then echo cuda13; else echo cuda12; fi ;;
  count) echo "$count" ;;
  *)
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
    ;;
esac
