#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Tests of tests/vm/run itself: tests/vm/harness.test.sh [--kernel K], as for run.
set -uo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
[ "${1:-}" != --kernel ] || shift
kernel=${1:-fast}
if [[ $kernel != */* ]]; then
	kernel=$("$here/../kernel/build.sh" --path "$kernel") || exit
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Every run's own directory is made here, so that what one leaves behind is seen.
mkdir "$scratch/tmp"
export TMPDIR=$scratch/tmp

# vm ARGS…: one run, with its exit status in $status, its output in $scratch/out, its complaints in $scratch/err.
vm() {
	status=0
	"$here/run" --kernel "$kernel" --timeout 60 "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}

expect_status() {
	[ "$status" = "$1" ] || { echo "exit status $status instead of $1"; sed 's/^/err: /' "$scratch/err"; return 1; }
}

expect_output() {
	[ "$(cat "$scratch/out")" = "$1" ] || { echo "output '$(cat "$scratch/out")' instead of '$1'"; return 1; }
}

# expect_in FILE REGEX
expect_in() {
	grep -qE -- "$2" "$1" || { echo "no '$2' in $1:"; cat "$1"; return 1; }
}

expect_not_in() {
	! grep -E -- "$2" "$1" || { echo "'$2' is in $1"; return 1; }
}

nothing_is_left() {
	[ -z "$(ls -A "$TMPDIR")" ] || { echo "left in the temporary directory: $(ls -A "$TMPDIR")"; return 1; }
	! pgrep -af "qemu-system.*$TMPDIR" || { echo 'QEMU is still running'; return 1; }
}

the_command_s_exit_status_comes_through() {
	vm -- sh -c 'exit 37' && expect_status 37 && vm -- true && expect_status 0
}

a_command_that_dies_of_a_signal_ends_as_in_a_shell() {
	# shellcheck disable=SC2016 # for the guest's shell
	vm -- sh -c 'kill -9 $$' && expect_status 137
}

stdout_and_stderr_come_out_complete() {
	vm -- sh -c 'seq 100000; echo end >&2' && expect_status 0 &&
		expect_output "$(seq 100000; echo end)"
}

arguments_survive_quoting() {
	# shellcheck disable=SC2016 # must not be expanded
	vm -- printf '<%s>' "it's" 'a  b' $'two\nlines' '$HOME' '' && expect_output "<it's><a  b><two
lines><\$HOME><>"
}

the_working_directory_and_the_environment_are_the_callers() {
	cd "$here" || return
	# shellcheck disable=SC2016 # for the guest's shell
	OOMX_SAID='a b' OTHER=1 LSAN_OPTIONS=x=1 vm -- sh -c 'echo "$PWD|$OOMX_SAID|${OTHER-}|$LSAN_OPTIONS|$HOME|$PATH"' &&
		expect_output "$here|a b||x=1|$HOME|$PATH"
}

output_and_kernel_log_are_apart() {
	vm --dmesg "$scratch/dmesg" -- sh -c 'echo said; echo logged >/dev/kmsg' && expect_status 0 &&
		expect_output said && expect_in "$scratch/dmesg" 'logged$' && expect_in "$scratch/dmesg" 'Linux version' &&
		expect_not_in "$scratch/dmesg" said
}

the_output_can_be_opened_again_by_the_command() {
	vm -- sh -c 'echo one >/dev/stdout; echo two >/dev/stderr' && expect_status 0 && expect_output $'one\ntwo'
}

a_splat_fails_a_run_whose_command_succeeds() {
	vm -- sh -c 'echo "WARNING: CPU: 0 PID: 1 at test" >/dev/kmsg' && expect_status 126 &&
		expect_in "$scratch/err" 'splat: .*WARNING: CPU: 0 PID: 1 at test'
}

every_kind_of_splat_is_recognised() {
	local line
	while read -r line; do
		grep -qE -f <(sed '/^#/d; /^$/d' "$here/splats") <<<"[    1.0] $line" || { echo "not seen: $line"; return 1; }
	done <<-'END'
		WARNING: possible circular locking dependency detected
		WARNING: suspicious RCU usage
		BUG: sleeping function called from invalid context at mm/oom_kill.c:1
		BUG: KASAN: slab-use-after-free in x
		BUG: kernel NULL pointer dereference, address: 0000000000000000
		watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [x:1]
		Oops: general protection fault, probably for non-canonical address 0x0: 0000 [#1] SMP
		rcu: INFO: rcu_preempt self-detected stall on CPU
		INFO: task hog:12 blocked for more than 120 seconds.
		UBSAN: array-index-out-of-bounds in x
		Kernel panic - not syncing: x
	END
}

a_splat_can_be_allowed() {
	vm --allow-splat -- sh -c 'echo "WARNING: CPU: 0 PID: 1 at test" >/dev/kmsg' && expect_status 0
}

# A command that a shell starts in the background has SIGINT ignored, and nothing can undo that.
signals_are_not_ignored() {
	vm -- grep SigIgn /proc/self/status && expect_output $'SigIgn:\t0000000000000000'
}

stdin_is_empty() {
	vm -- cat && expect_status 0 && expect_output ''
}

# `script` gives run the terminal it wants, and types.
a_shell_runs_in_the_guest() {
	echo 'uname -n | tr a-z A-Z; exit 3' |
		script -qec "$here/run --kernel $kernel --shell" /dev/null >"$scratch/out" 2>&1
	status=$?
	expect_status 3 && expect_in "$scratch/out" 'OOMX-VM'
}

# A real one: a cgroup of 20 MiB and a shell that holds more.
an_oom_kill_is_no_splat() {
	# shellcheck disable=SC2016 # for the guest's shell
	vm --dmesg "$scratch/dmesg" -- sh -c '
		exec 2>/dev/null # where the shell says "Killed"
		mkdir /sys/fs/cgroup/small && cd /sys/fs/cgroup/small && echo 20M >memory.max
		(echo 0 >cgroup.procs; exec tail /dev/zero)
		grep -w oom_kill memory.events' &&
		expect_status 0 && expect_output 'oom_kill 1' && expect_in "$scratch/dmesg" 'invoked oom-killer'
}

a_command_without_end_runs_into_the_time_limit() {
	vm --timeout 8 -- sh -c 'echo begun; sleep 1000' && expect_status 124 && expect_output begun &&
		expect_in "$scratch/err" 'no end after 8 s' && nothing_is_left
}

a_panic_is_reported_with_the_kernel_log() {
	vm -- sh -c 'echo c >/proc/sysrq-trigger' && expect_status 125 && expect_in "$scratch/err" 'Kernel panic' &&
		expect_in "$scratch/err" 'died before the command ended' && nothing_is_left
}

a_file_that_is_no_kernel_is_a_failure_of_the_harness() {
	kernel=$here/run vm -- true && expect_status 125 && expect_in "$scratch/err" 'start QEMU' && nothing_is_left
}

an_unknown_kernel_is_named() {
	kernel=nonsense vm -- true && expect_status 125 && expect_in "$scratch/err" "find kernel 'nonsense': neither"
}

a_kernel_that_is_not_built_says_how_to_build_it() {
	OOMX_CACHE_DIR=$scratch/empty kernel=checked vm -- true && expect_status 125 &&
		expect_in "$scratch/err" "find kernel 'checked': it is not built; ./dev kernel checked"
}

the_host_s_root_is_read_only() {
	vm -- touch /etc/oomx-was-here && expect_status 1 && [ ! -e /etc/oomx-was-here ]
}

the_guest_sees_the_host_s_tmp_and_writes_its_own() {
	echo host >"$TMPDIR/from-host"
	vm -- sh -c "cat $TMPDIR/from-host; echo guest >$TMPDIR/from-host; cat $TMPDIR/from-host; touch $TMPDIR/new"
	expect_output $'host\nguest' && [ "$(cat "$TMPDIR/from-host")" = host ] && rm "$TMPDIR/from-host" && nothing_is_left
}

a_shared_directory_takes_results() {
	mkdir -p "$scratch/results"
	vm --share "$scratch/results" -- sh -c "echo result >$scratch/results/file" && expect_status 0 &&
		[ "$(cat "$scratch/results/file")" = result ]
}

cgroup_v2_has_its_controllers_on() {
	vm -- cat /sys/fs/cgroup/cgroup.subtree_control && expect_status 0 &&
		expect_in "$scratch/out" '\bmemory\b' && expect_in "$scratch/out" '\bpids\b'
}

what_bpf_needs_is_there() {
	vm -- sh -c 'stat -f -c %T /sys/fs/bpf && test -r /sys/kernel/btf/vmlinux && ls /sys/kernel/tracing/trace >/dev/null' &&
		expect_status 0 && expect_output bpf_fs
}

loopback_is_up() {
	vm -- busybox ping -c 1 -W 5 127.0.0.1 && expect_status 0
}

an_orphan_is_reaped() {
	# The grandchild's pid is gone only when somebody has waited for it. No sleep: poll, the time limit is the end.
	# shellcheck disable=SC2016 # for the guest's shell
	vm -- sh -c 'pid=$(sh -c "sleep 1000 >/dev/null & echo \$!"); kill -9 $pid; while [ -e /proc/$pid ]; do :; done' &&
		expect_status 0
}

what_the_command_leaves_running_does_not_keep_the_guest_up() {
	vm --timeout 20 -- sh -c 'sleep 1000 & echo done' && expect_status 0 && expect_output 'done'
}

# Without the counter the guest counts 10 ms ticks, and misses many of them when the host is busy.
the_guest_s_clock_runs_like_the_host_s() {
	local begin end guest host
	# shellcheck disable=SC2016 # for the guest's shell
	"$here/run" --kernel "$kernel" -- bash -c '
		mkfifo /tmp/nothing && exec 3<>/tmp/nothing
		begin=$EPOCHREALTIME && echo begin && read -r -t 1 -u 3
		end=$EPOCHREALTIME && echo $(((${end/./} - ${begin/./}) / 1000))' 2>"$scratch/err" | {
		read -r _ && begin=$EPOCHREALTIME
		read -r guest && end=$EPOCHREALTIME
		host=$(((${end/./} - ${begin/./}) / 1000))
		if [ "$guest" -lt 1000 ] || [ "$((guest * 10))" -lt "$((host * 8))" ] || [ "$((guest * 8))" -gt "$((host * 10))" ]; then
			echo "the guest measured $guest ms, the host $host ms"
			return 1
		fi
	}
}

a_run_that_is_killed_leaves_nothing() {
	local signal run
	for signal in TERM INT HUP; do
		# setsid: without job control bash starts background commands with SIGINT ignored.
		env --default-signal=INT "$here/run" --kernel "$kernel" -- sh -c 'echo up; sleep 1000' \
			>"$scratch/out" 2>"$scratch/err" &
		run=$!
		tail --pid=$run -s 0.05 -f -n +1 "$scratch/out" | grep -q -m 1 up
		kill -"$signal" $run
		wait $run && { echo "ended with 0 after $signal"; return 1; }
		nothing_is_left || return
	done
}

a_run_that_is_killed_the_hard_way_takes_qemu_along() {
	local run
	"$here/run" --kernel "$kernel" -- sh -c 'echo up; sleep 1000' >"$scratch/out" 2>"$scratch/err" &
	run=$!
	tail --pid=$run -s 0.05 -f -n +1 "$scratch/out" | grep -q -m 1 up
	kill -KILL $run
	while pgrep -f "qemu-system.*$TMPDIR" >/dev/null; do :; done
	# Its directory stays until the next run that finds it old and without an owner.
	touch -d '1 hour ago' "$TMPDIR"/oomx-vm.*
	vm -- true && expect_status 0 && nothing_is_left
}

# Microseconds in which anything on this machine waited for a processor; 0 where the kernel does not count them.
time_waited() {
	sed -n 's/^some.*total=//p' /proc/pressure/cpu 2>/dev/null || echo 0
}

# On a machine that has nothing else to do: time in which processors were short does not count.
a_command_starts_within_three_seconds() {
	local begin=${EPOCHREALTIME/./} waited took
	waited=$(time_waited)
	"$here/run" --kernel "$kernel" -- echo up 2>"$scratch/err" | {
		read -r _
		took=$((${EPOCHREALTIME/./} - begin)) waited=$(($(time_waited) - waited))
		cat >/dev/null
		echo "# $((took / 1000)) ms, of them $((waited / 1000)) ms short of processors" >&3
		[ $((took - waited)) -lt 3000000 ]
	}
}

main() {
	local name passed=0 failed=0 reason
	exec 3>&1
	# Every function defined above whose name is a sentence, in the order of this file.
	while read -r name; do
		case $name in vm | expect_* | nothing_is_left | time_waited | main) continue ;; esac
		if reason=$("$name" 2>&1); then
			echo "ok $((++passed + failed)) - ${name//_/ }"
		else
			echo "not ok $((passed + ++failed)) - ${name//_/ }"
			printf '%s\n' "$reason" | sed 's/^/# /'
		fi
	done < <(sed -n 's/^\([a-z0-9_]*\)() {$/\1/p' "${BASH_SOURCE[0]}")
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

main
