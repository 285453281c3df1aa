#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What `make install` puts down is enough to build and run a program, and `make
# uninstall` takes all of it away again.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"
lib=lib/triplet
variables=(DESTDIR="$scratch/tree" prefix=/opt/pool libdir="/opt/pool/$lib" includedir=/opt/pool/inc)
installed=$scratch/tree/opt/pool

make --no-print-directory -s -C "$top/lib" >&2

lib_make() {
	make --no-print-directory -s -C "$top/lib" "$@" "${variables[@]}"
}

config() {
	command -v pkg-config > "$scratch/which" ||
		skip "pkg-config is not installed: apt-get install pkg-config"
	PKG_CONFIG_LIBDIR=$installed/$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$scratch/tree \
		pkg-config "$@" libsegpool
}

install_puts_down_everything() {
	lib_make install
	diff - <(cd "$installed" && find . ! -type d | sort) <<-EOF
		./bin/segpool
		./inc/linux/segpool.h
		./inc/linux/segpool_netlink.h
		./inc/segpool.h
		./inc/segpool_pmr.hpp
		./$lib/libsegpool.a
		./$lib/libsegpool.so
		./$lib/libsegpool.so.0
		./$lib/libsegpool.so.0.1.0
		./$lib/pkgconfig/libsegpool.pc
		./$lib/segpool/libsegpool-trace.so
		./share/bash-completion/completions/segpool
	EOF
	[[ $(find "$installed" -type f ! -perm 644 -printf '%m %P') == "755 bin/segpool" ]]
	[[ $(readlink "$installed/$lib/libsegpool.so") == libsegpool.so.0 ]]
	[[ $(readlink "$installed/$lib/libsegpool.so.0") == libsegpool.so.0.1.0 ]]
	refute grep -r "$top" "$installed/$lib/pkgconfig" "$installed/inc"
}

pkg_config_names_the_folders() {
	[[ $(config --cflags) =~ ^-I$installed/inc\ ?$ ]]
	[[ $(config --libs) =~ ^-L$installed/$lib\ -lsegpool\ ?$ ]]
	[[ $(config --modversion) == 0.1.0 ]]
}

# Samples that need nothing else, in a folder without the source tree beside it.
samples_against() {
	local sample
	for sample in hello buffer_pool; do
		cp "$top/samples/$sample.c" "$scratch"
		gcc -Wall -Wextra -Werror -o "$scratch/$sample" "$scratch/$sample.c" "$@"
	done
}

# Without the module a program runs in plain memory; one that wants the module ends with the sentence
# that tells what to do. The guest's tests run it with the module.
runs_without_the_module() {
	local status=0 output
	output=$(env SEGPOOL_BACKEND=user "$@")
	[[ $(grep -c '^taken: *virtual 16 MiB, physical 16 MiB$' <<< "$output") -eq 3 ]]
	[[ $(grep -c '^released: *virtual 16 MiB, physical  0 MiB$' <<< "$output") -eq 3 ]]
	if [[ -e /dev/segpool ]]; then
		return
	fi
	[[ $(env -u SEGPOOL_BACKEND "$@") == "$output" ]]
	output=$(env SEGPOOL_BACKEND=kernel "$@" 2>&1) || status=$?
	[[ $status -eq 1 ]]
	[[ $output == "segpool: no /dev/segpool: load the module (modprobe segpool, or insmod segpool.ko)" ]]
}

program_with_the_shared_library() {
	local flags
	flags=$(config --cflags --libs)
	read -ra flags <<< "$flags"
	samples_against "${flags[@]}"
	readelf -d "$scratch/hello" | grep -q 'NEEDED.*\[libsegpool\.so\.0\]'
	runs_without_the_module env LD_LIBRARY_PATH="$installed/$lib" "$scratch/hello"
}

program_with_the_archive() {
	samples_against -I"$installed/inc" "$installed/$lib/libsegpool.a"
	readelf -d "$scratch/hello" > "$scratch/dynamic"
	refute grep libsegpool "$scratch/dynamic"
	runs_without_the_module "$scratch/hello"
}

# A newcomer copies a sample, types the line that stands in it, and runs what comes out.
samples_as_they_say() {
	local prefix=$scratch/newcomer sample line number=0
	config --modversion
	make --no-print-directory -s -C "$top/lib" install prefix="$prefix"
	mkdir "$scratch/copies"
	for sample in "$top"/samples/*.c; do
		line=$(sed -nE 's/^ \*   (cc -o .*)$/\1/p' "$sample")
		[[ -n $line ]] || continue
		number=$((number + 1))
		cp "$sample" "$scratch/copies"
		(cd "$scratch/copies" && PKG_CONFIG_PATH=$prefix/lib/pkgconfig CFLAGS='' sh -ec "$line")
		sample=$(basename "$sample" .c)
		LD_LIBRARY_PATH=$prefix/lib SEGPOOL_BACKEND=user "$scratch/copies/$sample" >"$scratch/said"
	done
	[[ $number -ge 3 && -x $scratch/copies/buffer_pool ]]
	LD_LIBRARY_PATH=$prefix/lib SEGPOOL_BACKEND=user "$scratch/copies/buffer_pool" "$top/lib/include/segpool.h"
}

# Python has it from the shared library alone.
python_with_the_shared_library() {
	LD_LIBRARY_PATH=$installed/$lib SEGPOOL_BACKEND=user /usr/bin/python3 "$top/samples/segpool_ctypes.py" |
		grep ': good$'
}

second_install_changes_nothing() {
	find "$installed" -type f -exec sha256sum {} + | sort > "$scratch/first"
	lib_make install
	find "$installed" -type f -exec sha256sum {} + | sort | diff "$scratch/first" -
}

# Wherever the library is, the recorder is beside it.
installed_command_records() {
	export LD_LIBRARY_PATH=$installed/$lib
	[[ $("$installed/bin/segpool" --version) == "segpool 0.1.0" ]]
	"$installed/bin/segpool" trace -o "$scratch/history" -- head -c 1 /dev/zero >"$scratch/head"
	zcat "$scratch/history" | grep -q '^a '
	rm "$installed/$lib/segpool/libsegpool-trace.so"
	refute "$installed/bin/segpool" trace -o "$scratch/history" true 2>"$scratch/why"
	grep "^segpool: the recorder $installed/$lib/segpool/.*: install the library again" "$scratch/why"
	lib_make install
}

uninstall_takes_away_everything() {
	local other=$installed/inc/linux/other.h
	[[ -e $installed/inc/segpool.h ]]
	touch "$other"
	lib_make uninstall
	[[ $(find "$installed" ! -type d) == "$other" ]]
	rm "$other"
	lib_make install
	lib_make uninstall
	[[ -z $(find "$installed" ! -type d) ]]
	[[ ! -e $installed/inc/linux && ! -e $installed/$lib/pkgconfig && ! -e $installed/$lib/segpool ]]
}

tap_run install_puts_down_everything pkg_config_names_the_folders \
	program_with_the_shared_library program_with_the_archive \
	samples_as_they_say python_with_the_shared_library \
	installed_command_records second_install_changes_nothing uninstall_takes_away_everything
