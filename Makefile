# SPDX-License-Identifier: Apache-2.0
# cos: small programs for step-level reasoning in vision-language models.
#   make            build all programs into build/cpu (SAN=1: build/san, with sanitizers)
#   make demo       set-up, build, and the whole method on a world made here (pipelines/cos.mk); QUICK=1 for the short form,
#                   LONG=1 for search with up to 64 paths, SEED="1 2 3" for three runs side by side
#   make test       set-up, build, all tests          make races   of these, the search for data races in kernels alone
#   make fuzz       readers of models and of others' JSON against made-up files, FUZZ_TIME=60 seconds each (FUZZ_SEED=1: always the same)
#   make bench      speed ratios          make install PREFIX=/usr/local
#   make CUDA=1     into build/cuda, with the CUDA backend (CUDA_ARCH=90: the device's; nvcc on the PATH or NVCC=...)
#   make test-cuda sanitize-cuda bench-cuda   on the device: the same tests; the op table under compute-sanitizer; the figures
#   make cuda-report   kernels compiled for three architectures: warnings, registers, spills
#   make deps       Debian packages       make lint

CC      = gcc
CXX     = g++
CFLAGS  = -O2 -g
PREFIX  = /usr/local
FLAVOUR = cpu
SRC_STD = -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Ilib
CXX_STD = -std=c++17 -Wall -Wextra -Wshadow -Ilib
ifdef SAN
FLAVOUR = san
CFLAGS  = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ifdef FUZZ
FLAVOUR = fuzz
CC      = clang
CXX     = clang++
CFLAGS  = -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ifdef CUDA
FLAVOUR = cuda
endif
B       = build/$(FLAVOUR)

# Which program needs which layers of lib/ (a layer's includes may only point to layers further right).
cos-cat      = media record text store base
cos-segment  = bench media record text store base
cos-select   = media record text store base
cos-eval     = bench record text store base
cos-score    = net search bench model ops kernels media record text store base
cos-generate = net search bench model ops kernels media record text store base
cos-update   = train model ops kernels media record text store base
PROGS        = cos-segment cos-generate cos-score cos-select cos-update cos-eval cos-cat
LAYERS       = net search train model ops bench record media text store base

# What each layer links from the outside.
libs_base    = -lxxhash -lpthread -lm
libs_store   = -ljansson
libs_record  = -lmsgpackc -ljansson
libs_text    = -lpcre2-8 -lutf8proc -Wl,--push-state,--as-needed -lsentencepiece -lstdc++ -Wl,--pop-state
libs_bench   = -lutf8proc -lpcre2-8
libs_media   = -larchive -lpng -ljpeg -lwebp
libs_net     = -Wl,--push-state,--as-needed -lcurl -Wl,--pop-state
libs_ops     = -ldnnl -l:libgomp.so.1

PACKAGES = gcc g++ make pkg-config jq bats gnuplot-nox parallel bsdextrautils zip xz-utils libmsgpack-dev libarchive-dev libpng-dev \
           libjpeg62-turbo-dev libwebp-dev libjansson-dev libpcre2-dev libxxhash-dev libdnnl-dev libutf8proc-dev \
           libsentencepiece-dev libcurl4-openssl-dev

.PHONY: all deps demo test fuzz bench install lint clean examples
.DEFAULT_GOAL := all
.SECONDARY:
.SECONDEXPANSION:
all: $(PROGS:%=$B/%)

objs = $(patsubst %.c,$B/%.o,$(wildcard lib/$1/*.c)) $(patsubst %.cc,$B/%.o,$(wildcard lib/$1/*.cc))
-include lib/ops/isa.mk

$(foreach l,$(LAYERS),$(eval $B/$l.a: $(call objs,$l) $(isa_$l)))
$B/%.a:
	@rm -f $@ && ar rcs $@ $^

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(SRC_STD) $(CFLAGS) -MMD -MP -c $< -o $@

# The bindings of C++ libraries: nothing else is C++.
$B/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CXX_STD) $(CFLAGS) -MMD -MP -c $< -o $@

-include kernels/kernels.mk

$B/lib/record/schema_data.o: $(wildcard schemas/*.json)

# A program is tools/cos-NAME.c, its commands in tools/NAME_*.c, what all programs share, and what those that ask servers do.
tool_objs = $B/tools/$1.o $(patsubst %.c,$B/%.o,$(wildcard tools/$(1:cos-%=%)_*.c)) $B/tools/common.o $B/tools/group.o \
            $(if $(filter net,$($1)),$B/tools/endpoint.o)
$(PROGS:%=$B/%): $B/%: $$(call tool_objs,$$*) $$(foreach l,$$($$*),$B/$$l.a)
	$(CC) $(CFLAGS) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(foreach l,$($*),$(libs_$l)) -o $@

# Unit tests and examples may use every layer.
ALL_LIBS = $(LAYERS:%=$B/%.a)
$B/tests/%: $$@.o $(ALL_LIBS) $(TEST_KERNELS)
	$(CC) $(CFLAGS) $(filter %.o,$^) -Wl,--start-group $(ALL_LIBS) $(TEST_KERNELS) -Wl,--end-group $(foreach l,$(LAYERS),$(libs_$l)) $(libs_test_kernels) -o $@

# ---- tests: unit programs (TAP), bats files as a user would type, lint ----
UNITS = $(filter-out $(NO_UNITS),$(patsubst %.c,$B/%,$(wildcard tests/unit/t_*.c tests/ops/t_*.c tests/golden/t_*.c)))
HELPERS = $B/tests/bad/make_bad $B/tests/net/server
$B/tests/net/server: $B/tests/net/actions.o
TESTS = $(UNITS) $(wildcard tests/lint/*.sh tests/golden/emulated.sh tests/ops/races.sh tests/tools/*.bats)
test: deps
	@$(MAKE) --no-print-directory -j2 all $(UNITS) $(HELPERS) $(EMU_PROGS) $(RACE_UNITS) examples
	@sh tests/run.sh $B $(TESTS)

demo: deps
	@$(MAKE) --no-print-directory -j2 all examples
	@$(MAKE) --no-print-directory -j2 -f pipelines/cos.mk BIN=$B D=build/demo$(if $(QUICK),-quick QUICK=1) THREADS=$$((($$(nproc) + 1) / 2))

examples: $B/examples/shapes/shapes
$B/examples/shapes/shapes: $(patsubst %.c,$B/%.o,$(wildcard examples/shapes/*.c)) $B/tools/common.o $(ALL_LIBS) $B/kernels.a
	$(CC) $(CFLAGS) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(foreach l,$(LAYERS) kernels,$(libs_$l)) -o $@

lint:
	@for t in tests/lint/*.sh; do sh $$t || exit 1; done

# ---- fuzzing: libFuzzer over the readers of what others made; `sh tests/fuzz/run.sh build/fuzz gguf` for one of them ----
FUZZ_TIME = 60
FUZZ_SEED = 0
FUZZERS = $(patsubst %.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LAYERS = model ops kernels record media text store base
fuzz: deps
	@sh tests/deps.sh clang libclang-rt-dev
	@$(MAKE) --no-print-directory -j2 FUZZ=1 $(FUZZERS)
	@FUZZ_TIME=$(FUZZ_TIME) FUZZ_SEED=$(FUZZ_SEED) sh tests/fuzz/run.sh build/fuzz

build/fuzz/tests/fuzz/%: $$@.o $(FUZZ_LAYERS:%=$B/%.a)
	$(CXX) $(CFLAGS) -fsanitize=fuzzer $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(foreach l,$(FUZZ_LAYERS),$(libs_$l)) -o $@

# ---- speed: ratios measured in one run (tests/bench) ----
BENCHES = $B/tests/bench/bench_ops $B/tests/bench/bench_train $B/tests/bench/big
bench: deps
	@$(MAKE) --no-print-directory -j2 all examples $(BENCHES)
	@$B/tests/bench/bench_ops
	@for b in tests/bench/*.sh; do COS_BIN=$B sh $$b || exit 1; done

deps:
	@sh tests/deps.sh $(PACKAGES)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install $(PROGS:%=$B/%) $(DESTDIR)$(PREFIX)/bin

clean:
	rm -rf build

-include $(shell [ -d build ] && find $B -name '*.d' 2>/dev/null)
