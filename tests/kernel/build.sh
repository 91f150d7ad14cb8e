#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the test kernel. See README.md beside this file.
set -euo pipefail

usage() {
	cat <<'TXT'
usage: build.sh [VARIANT]        build a variant (default: fast), print the path of its vmlinux
       build.sh --path VARIANT   print the path; fail if it is not built
       build.sh --clean          remove the build trees, keep the built kernels and fetched sources

  fast     linux-source-6.12 with BPF OOM policies
  checked  the same with lockdep, KASAN and other checks
  stock    the same configuration as fast, unpatched
  recent   linux-source-7.3 of trixie-backports with BPF OOM policies; the package is fetched once, into the cache
  v3       the same with the interface of v3 of the series

environment:
  OOMX_CACHE_DIR      where everything goes (default: $XDG_CACHE_HOME/oomx or ~/.cache/oomx)
  OOMX_KERNEL_SOURCE  the source tarball of linux 6.12 (default: /usr/src/linux-source-6.12.tar.xz)
  OOMX_RECENT_SOURCE  the source tarball of linux 7.3 (default: /usr/src/linux-source-7.3.tar.xz, else fetched)
  OOMX_KERNEL_JOBS    compile jobs at a time (default: the number of CPUs)

Exit status: 0; 1 the build failed; 2 wrong usage; 3 the source of recent cannot be had, for example without a network.
TXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${OOMX_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/oomx}/kernel
packages="build-essential flex bison bc libelf-dev pahole patch xz-utils"
keep_results=3
status_no_source=3
# Why the source of recent could not be had, as long as it cannot: tests/vm/run says it again.
missing_recent=$cache/recent.missing

say() { echo "kernel: $*" >&2; }
die() { say "$@"; exit 1; }

check_tools() {
	local tool missing=
	for tool in gcc make ld objcopy flex bison bc pahole patch xz flock sha256sum; do
		command -v $tool >/dev/null || missing="$missing $tool"
	done
	[ -e /usr/include/libelf.h ] || missing="$missing libelf.h"
	[ -z "$missing" ] || die "cannot build: missing$missing. Install with: apt-get install $packages"
}

# The linux that a variant is made of.
base_of() {
	case $1 in
	recent|v3) echo 7.3 ;;
	*) echo 6.12 ;;
	esac
}

# Where a variant's hooks and what belongs to them are, from here.
own_of() {
	case $1 in
	v3) echo v3 ;;
	*) base_of "$1" ;;
	esac
}

# The trees of new files of a variant, from here.
new_files_of() {
	case $1 in
	v3) echo v3/src ;;
	*) echo "src $own/src" ;;
	esac
}

# Sets tarball, and source, which names it: by the package's version, or by its content.
find_source() {
	local given=${OOMX_KERNEL_SOURCE:-} package=linux-source-$base version
	[ "$base" = 6.12 ] || given=${OOMX_RECENT_SOURCE:-}
	tarball=${given:-/usr/src/$package.tar.xz}
	if [ -n "$given" ] || [ -e "$tarball" ] || [ "$base" = 6.12 ]; then
		[ -e "$tarball" ] || die "cannot build: no kernel source at $tarball. Install with: apt-get install $package"
		version=$([ -n "$given" ] || dpkg-query -W -f '${Version}' "$package" 2>/dev/null) || true
		source=${version:-$(sha256sum <"$tarball" | cut -c1-16)}
	else
		tarball=$("$here/fetch-source" --cached "$base" "$cache/source") || fetch_source
		rm -f "$missing_recent"
		source=${tarball##*_}
		source=${source%.tar.xz}
	fi
}

fetch_source() {
	local why
	[ -z "$path" ] || not_built
	if ! tarball=$("$here/fetch-source" "$base" "$cache/source" 2>"$cache/fetch.log"); then
		cat "$cache/fetch.log" >&2
		why=$(tail -n 1 "$cache/fetch.log")
		echo "${why#kernel: }" >"$missing_recent"
		exit $status_no_source
	fi
	cat "$cache/fetch.log" >&2
	rm -f "$cache/fetch.log"
}

configs() {
	echo "$here/config"
	echo "$here/$base/config"
	[ "$1" != checked ] || echo "$here/config.checked"
}

# Everything that decides what a variant's vmlinux is.
hash_of() {
	local variant=$1
	{
		echo "$variant $source $(gcc -dumpfullversion) $(ld --version | head -1) $(pahole --version)"
		cd "$here"
		# Of this file the steps that make the kernel, not how they are shown.
		declare -f recipe_environment sync_tree configure strip_debug
		configs "$variant" | xargs cat
		if [ "$variant" != stock ]; then
			cat "$own/hooks.patch"
			new_files_of "$variant" | tr ' ' '\n' | xargs -I{} find {} -type f | LC_ALL=C sort | xargs sha256sum
		fi
	} | sha256sum | cut -c1-16
}

# Replace $2 by $1 unless equal, so that make rebuilds only what changed.
update() {
	cmp -s "$1" "$2" && return
	mkdir -p "$(dirname "$2")"
	cp "$1" "$2.oomx-new"
	mv "$2.oomx-new" "$2"
}

unpack() {
	if [ "$(cat "$build/source" 2>/dev/null)" != "$source" ]; then
		say "unpacking $tarball ($source)"
		rm -rf "$build"
		mkdir -p "$build/linux.tmp"
		tar -xf "$tarball" -C "$build/linux.tmp" --strip-components=1 ||
			die "cannot unpack $tarball: tar failed, see above. Is the file whole, is there room in $cache?"
		mv "$build/linux.tmp" "$build/linux"
		echo "$source" >"$build/source"
	fi
}

recipe_environment() {
	export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_USER=oomx KBUILD_BUILD_HOST=oomx KBUILD_BUILD_VERSION=1
	export LC_ALL=C
	unset MAKEFLAGS MAKELEVEL
}

strip_debug() {
	objcopy --strip-debug "$1" "$2"
}

# Make the source tree that of $1: originals, or originals with hooks and new files.
# The originals of all files ever patched are in $build/orig.
sync_tree() {
	local variant=$1 stage=$build/stage hooks=$here/$own/hooks.patch new f
	read -ra trees < <(cd "$here" && new_files_of "$variant" | sed "s|[^ ]*|$here/&|g")

	# The patch touches headers that nearly everything includes. With a tree of
	# its own stock does not make fast build everything anew, nor v3 recent, and
	# the other way round. The files are shared: update() replaces and never
	# writes into one.
	if [ "$linux" != "$build/linux" ]; then
		[ -e "$linux" ] || { rm -rf "$linux.tmp" && cp -al "$build/linux" "$linux.tmp" && mv "$linux.tmp" "$linux"; }
	fi
	rm -rf "$stage"
	mkdir -p "$stage" "$build/orig"
	sed -n 's|^+++ b/||p' "$hooks" | while read -r f; do
		[ -e "$linux/$f" ] ||
			die "cannot apply $own/hooks.patch: $f is not in linux $source. The patch is for $base; adapt it to this source"
		[ -e "$build/orig/$f" ] || update "$build/linux/$f" "$build/orig/$f"
	done
	cp -r "$build/orig/." "$stage/"
	if [ "$variant" != stock ]; then
		patch -p1 -s -F1 --no-backup-if-mismatch -d "$stage" <"$hooks" >"$build/patch.log" 2>&1 || {
			cat "$build/patch.log" >&2
			die "cannot apply hooks.patch to linux $source: the files above differ from those it was made for. Adapt tests/kernel/$own/hooks.patch to this source"
		}
		cp -r "${trees[@]/%//.}" "$stage/"
	fi

	# New files of an earlier sync that are not wanted now.
	if [ -e "$build/added" ]; then
		while read -r f; do
			[ -e "$stage/$f" ] || rm -f "$linux/$f"
		done <"$build/added"
	fi
	find "${trees[@]}" -type f -printf '%P\n' | sort -u - <(cat "$build/added" 2>/dev/null) >"$build/added.new"
	mv "$build/added.new" "$build/added"

	(cd "$stage" && find . -type f) | while read -r f; do
		update "$stage/$f" "$linux/$f"
	done
	rm -rf "$stage"
}

kmake() {
	make -C "$linux" O="$obj" "$@"
}

configure() {
	local variant=$1 wanted option got
	mkdir -p "$obj"
	configs "$variant" | xargs cat >"$obj/wanted"
	kmake -s KCONFIG_ALLCONFIG="$obj/wanted" allnoconfig >"$log" 2>&1 || failed "configure"
	# Kconfig drops what it does not know or cannot have, silently.
	grep -E '^(# )?CONFIG_' "$obj/wanted" | sed -E 's/^(# )?(CONFIG_[A-Z0-9_]+).*/\2/' | sort -u | while read -r option; do
		wanted=$(grep -E "^(# )?${option}[ =]" "$obj/wanted" | tail -1)
		got=$(grep -E "^(# )?${option}[ =]" "$obj/.config" || true)
		# An option that does not exist is as good as one that is not set.
		[ "$wanted" = "$got" ] || [ "$wanted$got" = "# $option is not set" ] ||
			die "cannot configure: wanted '$wanted', got '${got:-nothing}'. Does linux $source know it, are its dependencies in $(configs "$variant" | tail -1)?"
	done
}

failed() {
	grep -nE '(error|undefined reference):? |\*\*\*' "$log" | head -10 >&2 || true
	echo "--- last lines of $log" >&2
	tail -25 "$log" >&2
	die "cannot $1 linux $source: see above, the whole log is in $log"
}

# Run make in the background and say how far it is.
compile() {
	local about=$1 pid start=$SECONDS next=0 n
	kmake -j"${OOMX_KERNEL_JOBS:-$(nproc)}" vmlinux >>"$log" 2>&1 &
	pid=$!
	trap 'kill $pid 2>/dev/null; wait $pid 2>/dev/null; exit 130' INT TERM HUP
	while kill -0 $pid 2>/dev/null; do
		sleep 1
		n=$(grep -cE '^  (CC|AS|LD|HOSTCC) ' "$log" || true)
		if [ -t 2 ]; then
			printf '\rkernel: %s: %d files of up to %d, %d:%02d ' "$variant" "$n" "$about" \
				$(((SECONDS - start) / 60)) $(((SECONDS - start) % 60)) >&2
		elif [ $((SECONDS - start)) -ge $next ]; then
			say "$variant: $n files of up to $about, $((SECONDS - start)) s"
			next=$((next + 30))
		fi
	done
	[ ! -t 2 ] || echo >&2
	wait $pid || failed "build"
	trap - INT TERM HUP
	say "$variant: built in $((SECONDS - start)) s"
}

not_built() {
	die "no vmlinux for $variant: not built from these sources yet. Build it with: tests/kernel/build.sh $variant"
}

prune() {
	find "$cache" -maxdepth 1 -name "$1-*" -printf '%T@ %p\n' | sort -rn | cut -d' ' -f2- |
		tail -n +$((keep_results + 1)) | xargs -r rm -rf
	rm -rf "$cache"/.new-*
}

main() {
	local variant=fast path=
	case ${1:-} in
	-h|--help) usage; exit 0 ;;
	--path) path=y; variant=${2:-} ;;
	--clean)
		mkdir -p "$cache"
		exec 9>"$cache/lock"
		flock 9
		rm -rf "$cache/build"
		exit 0 ;;
	'') ;;
	*) variant=$1 ;;
	esac
	case $variant in
	fast|checked|stock|recent|v3) ;;
	*) usage >&2; exit 2 ;;
	esac

	check_tools
	base=$(base_of "$variant") own=$(own_of "$variant")
	build=$cache/build/$base
	find_source
	local result
	result=$cache/$variant-$(hash_of "$variant")
	if [ -e "$result/vmlinux" ]; then
		echo "$result/vmlinux"
		exit 0
	fi
	[ -z "$path" ] || not_built

	mkdir -p "$cache"
	exec 9>"$cache/lock"
	if ! flock -n 9; then
		say "waiting for another build"
		flock 9
	fi
	if [ ! -e "$result/vmlinux" ]; then
		recipe_environment
		linux=$build/linux
		obj=$build/plain
		case $variant in
		checked) obj=$build/checked ;;
		stock|v3) linux=$build/linux-$variant obj=$build/$variant ;;
		esac
		unpack
		sync_tree "$variant"
		log=$build/$variant.log
		configure "$variant"
		compile 1200
		local new=$cache/.new-$$
		mkdir "$new"
		strip_debug "$obj/vmlinux" "$new/vmlinux"
		cp "$obj/.config" "$new/config"
		cp "$log" "$new/build.log"
		rm -rf "$result"
		mv "$new" "$result"
		prune "$variant"
	fi
	echo "$result/vmlinux"
}

main "$@"
