#!/bin/sh
# Measures a GPU on a machine without Node, without network and without this repository: needs sh, tar, and xz or python3.
# bench/gpuPack.mjs makes the archive that lies beside it there.
#
#   sh gpu.sh               adapter, kernels, quantization, model, PyTorch where python3 has it, and one table of all of it
#   ADAPTER=SwiftShader     takes the adapter with that in its name; the carried software adapter is that one
#   STEPS="kernels torch"   does these only (of: adapter kernels quantize model torch)
#   SLUICE_KERNELS=entropy  measures these kernels only
#   SMALL=1                 the embedded model on two short documents instead of one of the released shape
#   TORCH_SECONDS=300       after that torch.compile is not tried any more
#   OUT=file or folder      where all figures go, one JSON object a line
#   KEEP=1                  leaves the unpacked files
#
# Exit code 1 if a step failed; the others are done all the same.

set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-gpu.XXXXXX")
[ -n "${KEEP:-}" ] || trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
steps=${STEPS:-adapter kernels quantize model torch}
failed=''

say() { echo "== $* ($(date +%H:%M:%S))" >&2; }
wanted() { case " $steps " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

python=''
for candidate in python3 /usr/bin/python3; do
  if [ -z "$python" ] && command -v "$candidate" >/dev/null 2>&1; then python=$candidate; fi
done

say "unpacking into $work"
if command -v xz >/dev/null 2>&1; then
  xz -dc "$here/sluice-gpu.tar.xz" | tar -xf - -C "$work"
elif [ -n "$python" ]; then
  "$python" -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' \
    "$here/sluice-gpu.tar.xz" "$work"
else
  echo 'gpu.sh needs xz or python3 to unpack.' >&2
  exit 1
fi || exit 1
cd "$work/sluice-gpu" || exit 1

# the machine's own Vulkan loader, or the carried one
if ! { ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null; } | grep -q 'libvulkan\.so\.1'; then
  export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$PWD/vulkan"
  say 'no libvulkan.so.1 here: taking the carried one'
fi
for libraries in /usr/local/nvidia/lib64 /usr/local/nvidia/lib; do
  [ -d "$libraries" ] && export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries"
done

# drivers of hardware; software adapters of the system are left out
if [ "${ADAPTER:-}" = SwiftShader ]; then
  VK_DRIVER_FILES=$PWD/vulkan/vk_swiftshader_icd.json
elif [ -z "${VK_DRIVER_FILES:-}" ]; then
  VK_DRIVER_FILES=''
  for driver in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json /usr/local/share/vulkan/icd.d/*.json \
    /usr/local/nvidia/share/vulkan/icd.d/*.json; do
    case $driver in *lvp* | *'*'*) continue ;; esac
    VK_DRIVER_FILES="${VK_DRIVER_FILES:+$VK_DRIVER_FILES:}$driver"
  done
fi
export VK_DRIVER_FILES
say "Vulkan drivers: ${VK_DRIVER_FILES:-none found}"
[ -n "${ADAPTER:-}" ] && export SLUICE_ADAPTER=$ADAPTER
export SLUICE_ADAPTER="${SLUICE_ADAPTER:-hardware}"

# ONNX Runtime keeps records of its use otherwise
export ORT_DISABLE_TELEMETRY=1

cases=$work/cases.jsonl
figures=$work/figures.jsonl
: >"$figures"
node() { ./node --conditions=sluice-source --disable-warning=ExperimentalWarning "$@"; }
step() {
  say "$1"
  shift
  "$@" || failed="$failed
  $*"
}
measure() { node bench/main.ts "$1" --json >>"$figures"; }

node bench/gpu/cases.ts >"$cases" || exit 1

adapter() {
  if [ "$SLUICE_ADAPTER" = hardware ]; then node bench/gpu/adapterReport.ts; else node bench/gpu/adapterReport.ts "$SLUICE_ADAPTER"; fi && return 0
  # what a driver lacks
  for library in $(sed -n 's/.*"library_path" *: *"\([^"]*\)".*/\1/p' $(echo "$VK_DRIVER_FILES" | tr ':' ' ') 2>/dev/null); do
    path=$({ ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null; } | sed -n "s|.*$library .*=> ||p" | head -1)
    echo "$library: ${path:-not known to ldconfig}"
    ldd "${path:-$library}" 2>&1 | grep 'not found'
  done
  return 1
}
model() {
  if [ -n "${SMALL:-}" ]; then
    SLUICE_MODEL=small measure gpuModel
  else
    SLUICE_MODEL=$work/model measure gpuModel
  fi
}
peers() {
  for candidate in python3 /usr/bin/python3; do
    "$candidate" -c 'import torch' 2>/dev/null || continue
    if [ -n "${SMALL:-}" ]; then set -- models/tiny 2,64; else set -- "$work/model"; fi
    "$candidate" bench/gpu/torchKernels.py "$cases" "$@" >>"$figures"
    return
  done
  echo 'no python3 here has PyTorch' >&2
}

wanted adapter && step 'adapter' adapter
wanted kernels && step 'kernels against chains of elementary kernels' measure kernels
wanted quantize && step 'quantization against the CPU' measure quantizeGpu
if [ -z "${SMALL:-}" ] && { wanted model || wanted torch; }; then
  step 'a model of the released shape' node bench/gpu/makeModel.ts "$work/model"
fi
wanted model && step 'model' model
wanted torch && step 'PyTorch' peers

say 'done'
node bench/gpu/table.ts "$cases" "$figures"
if [ -n "${OUT:-}" ]; then
  if [ -d "$OUT" ]; then cp "$figures" "$OUT/gpu.jsonl"; else cp "$figures" "$OUT"; fi
fi
[ -z "$failed" ] || {
  echo "failed:$failed" >&2
  exit 1
}
