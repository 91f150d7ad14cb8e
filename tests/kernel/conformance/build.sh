#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the conformance and stress tests into a directory. Types come from the
# BTF of the kernel under test: nothing of our library is in between.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { echo "usage: build.sh DIRECTORY [VMLINUX]" >&2; exit 2; }
out=$1
vmlinux=${2:-$("$here/../build.sh" --path fast)}
die() { echo "conformance: $*" >&2; exit 1; }

clang=
for c in clang-22 clang-19 clang-16 clang; do
	if command -v $c >/dev/null; then
		clang=$c
		break
	fi
done
[ -n "$clang" ] || die "cannot build: no clang. Install with: apt-get install clang-19"
command -v bpftool >/dev/null || die "cannot build: no bpftool. Install with: apt-get install bpftool/bookworm-backports"

mkdir -p "$out"
# VMs that run side by side use the same files: one of them builds, the others wait and find it done.
exec {lock}>"$out/lock"
flock "$lock"
built_from=$(echo "$vmlinux" | cat - "$here"/* "$here"/../stress/*.[ch] | sha256sum)
[ "$(cat "$out/built_from" 2>/dev/null)" != "$built_from" ] || exit 0
rm -f "$out/built_from"

bpftool btf dump file "$vmlinux" format c >"$out/vmlinux.h"
revision=()
sources=("$here"/*.bpf.c "$here"/../stress/*.bpf.c)
if ! grep -q '^struct bpf_oom_ctx {' "$out/vmlinux.h"; then
	# v3 has no bpf_psi_ops, and handlers with other arguments.
	revision=(-DV3)
	sources=("$here"/{oom,memcg}.bpf.c)
fi
for source in "${sources[@]}"; do
	object=$out/$(basename "${source%.c}").o
	"$clang" -target bpf -O2 -g -mcpu=v3 -Wall -Wno-missing-declarations -D__TARGET_ARCH_x86 \
		"${revision[@]}" -I"$out" -I"$here" -c "$source" -o "$object"
done
flags=(-std=gnu11 -O1 -g -Wall -Wextra "-I$here")
gcc "${flags[@]}" -o "$out/conformance" "$here"/{main,lib,oom,position,kill,psi,memcg,verifier,v3}.c -lbpf
if [ -e "$here/../stress/stress.c" ]; then
	gcc "${flags[@]}" -o "$out/stress" "$here/../stress/stress.c" "$here/lib.c" -lbpf
	gcc "${flags[@]}" -o "$out/bench" "$here/../stress/bench.c" "$here/lib.c" -lbpf
fi
echo "$built_from" >"$out/built_from"
