# SPDX-License-Identifier: GPL-2.0-only
#
# Fan-out only: each target is done by the makefile or script of its part. "make help" lists them.

guest := selftests/guest
KVER ?= $(shell uname -r)
# Variables of the command line (prefix=, DESTDIR=, KERNEL=, V=1) reach every part by themselves.
part := +@$(MAKE) --no-print-directory -C

help:
	@printf '%s\n' \
		"make demo            shows a real program's memory history, in a virtual machine" \
		"make check           tests every promise, on the host and in guests with three kernels" \
		"                     (KERNELS=\"6.1 6.1-kasan\" chooses others)" \
		"make check-debug     the same tests in guests whose kernels have sanitizers" \
		"make soak MINUTES=60 random tests in such guests, until one fails" \
		"make coverage        which lines of the module the tests execute" \
		"" \
		"make all             the library, and the module for the running kernel" \
		"make lib             libsegpool, static and shared, and the command build/bin/segpool" \
		"make man             the manual pages, in build/man" \
		"make modules         segpool.ko for this kernel (or KVER=release), in build/kmod" \
		"make selftests       the test programs, in build/selftests" \
		"make demo-host       the demo on this machine's kernel, with segpool.ko loaded" \
		"make bench           counts the instructions of each operation in a guest" \
		"make bench-native    compares segments with malloc libraries, on this machine" \
		"make bench-replay    records redis and sqlite, and replays them on every backend" \
		"make bench-host      times the same on this machine, in pools too if the module is loaded" \
		"make mutants         breaks the module in one place at a time: do tests notice?" \
		"make shell           a guest's shell, module loaded (KERNEL=6.12, MEM=4G, SMP=4)" \
		"make lint            sparse, checkpatch and shellcheck" \
		"make install         library, and module and manual if built (prefix=/usr/local, DESTDIR=)" \
		"make uninstall       removes what install put there (with the same variables)" \
		"make clean           removes build/" \
		"make distclean-cache removes downloads too (~/.cache/segpool, or SEGPOOL_CACHE)" \
		"make help            this list; $(guest)/run --help explains the guest" \
		"" \
		"demo, demo-host, check, selftests, man, bench, mutants, shell and lint say what they" \
		"install with apt-get, and install it."

all: lib modules

modules:
	$(part) kmod KVER=$(KVER)

lib:
	$(part) lib

man:
	@$(guest)/packages man
	$(part) Documentation/man

selftests:
	@$(guest)/packages build guest check
	$(part) selftests

demo demo-host:
	$(part) demo $@

check:
	@selftests/check $(if $(KERNELS),--kernels "$(KERNELS)")

check-debug:
	@selftests/check --no-host --kernels "$(or $(KERNELS),6.1-kasan 6.12-kasan 6.12-kcsan)"

soak:
	@selftests/soak $(MINUTES)

coverage:
	@selftests/check --no-host --coverage --kernels "$(or $(KERNELS),6.1-kasan 6.12-kasan testing)"

bench:
	@selftests/bench/run

bench-host:
	@selftests/bench/run --host

bench-native:
	@selftests/bench/run-native

bench-replay:
	@selftests/bench/run-replay

mutants:
	@selftests/mutants/run

shell:
	@$(guest)/shell

lint:
	@selftests/static/run lint

# The module and the manual go with it where "make modules" and "make man" have built them.
built = $(wildcard build/kmod/$(KVER)/segpool.ko)
rendered = $(wildcard build/man/links)

install:
	$(part) lib install
	$(if $(built),$(part) kmod modules_install KVER=$(KVER) INSTALL_MOD_PATH=$(DESTDIR))
	$(if $(rendered),$(part) Documentation/man install)

uninstall:
	$(part) lib uninstall
	$(part) Documentation/man uninstall
	$(part) kmod uninstall KVER=$(KVER) INSTALL_MOD_PATH=$(DESTDIR)

clean:
	rm -rf build

distclean-cache: clean
	rm -rf "$${SEGPOOL_CACHE:-$$HOME/.cache/segpool}"

.PHONY: help all modules lib man selftests demo demo-host check check-debug soak coverage bench bench-host bench-native bench-replay mutants shell lint \
	install uninstall clean distclean-cache
