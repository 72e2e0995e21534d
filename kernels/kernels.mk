# SPDX-License-Identifier: Apache-2.0
# The CUDA backend: with CUDA=1 from nvcc, otherwise an ops_cuda() that says it is not there; and for tests the same
# sources by the C++ compiler, run by the emulation (kernels/emu).
NVCC      = nvcc
CUDA_ARCH = 90
CUDA_SRC  = $(wildcard kernels/*.cu)
NVCC_STD  = -std=c++17 -O3 -lineinfo -Ikernels -Ilib -Werror all-warnings -Xcompiler -Wall,-Wextra,-Wno-unused-function
# Hopper's own instructions are in sm_90a alone.
ARCH_90   = -gencode arch=compute_90a,code=sm_90a -DGPU_WGMMA
ARCH      = $(or $(ARCH_$(CUDA_ARCH)),-arch=sm_$(CUDA_ARCH))
EMU_STD   = -x c++ -std=c++17 -DGPU_WGMMA -Wall -Wextra -Wshadow -Ikernels/emu -Ikernels -Ilib

emu_objs  = $(patsubst %.cu,$B/emu/%.o,$(CUDA_SRC)) $(patsubst %.cc,$B/emu/%.o,$(filter-out kernels/emu/race.cc,$(wildcard kernels/emu/*.cc)))

ifdef CUDA
kernel_objs  = $(CUDA_SRC:%.cu=$B/%.o)
cuda_home    = $(patsubst %/bin/,%,$(dir $(shell command -v $(NVCC))))
libs_kernels = -L$(cuda_home)/lib64 -L$(cuda_home)/lib -lcudart_static -ldl -lrt -lpthread -lstdc++
TEST_KERNELS = $B/kernels.a
libs_test_kernels = $(libs_kernels)
else
kernel_objs  = $B/kernels/none.o
TEST_KERNELS = $B/kernels-emu.a
libs_test_kernels = -lstdc++
endif

$B/kernels.a: $(kernel_objs)
$B/kernels-emu.a: $(emu_objs)

$B/%.o: %.cu
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_STD) $(ARCH) -MMD -MP -MF $(@:.o=.d) -c $< -o $@

$B/emu/%.o: %.cu
	@mkdir -p $(@D)
	$(CXX) $(EMU_STD) $(CFLAGS) -MMD -MP -c $< -o $@

$B/emu/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(EMU_STD) $(CFLAGS) -MMD -MP -c $< -o $@

.PHONY: cuda-report
cuda-report:
	@NVCC=$(NVCC) NVCC_STD='$(NVCC_STD)' ARCH_90='$(ARCH_90)' sh tests/cuda_report.sh $(CUDA_SRC)

# Programs whose --device cuda is the emulation, for tests/tools/device.bats; with CUDA=1 the programs themselves are tested.
ifndef CUDA
EMU_PROGS = $B/emu/cos-update $B/emu/cos-generate $B/emu/cos-score
endif
$B/emu/cos-%: $$(call tool_objs,cos-$$*) $$(foreach l,$$(filter-out kernels,$$(cos-$$*)),$$B/$$l.a) $B/kernels-emu.a
	$(CC) $(CFLAGS) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(foreach l,$(cos-$*),$(libs_$l)) -lstdc++ -o $@

# The emulation's own test; there is nothing to test in a build for a device.
ifdef CUDA
NO_UNITS = $B/tests/ops/t_emulation
endif
$B/tests/ops/t_emulation: $B/emu/tests/ops/faults.o

# Tests and figures that have kernels of their own.
own_kernels = $(if $(CUDA),$B,$B/emu)
$B/tests/ops/t_tiles: $(own_kernels)/tests/ops/tiles.o
$B/tests/bench/bench_cuda: $B/tests/bench/bench_cuda.o $(own_kernels)/tests/bench/copy.o

# ---- data races: kernels compiled with a call before each access of memory, and what is called, kernels/emu/race.cc ----
NO_UNITS  += $B/tests/ops/t_races
ifeq ($(CUDA)$(SAN)$(FUZZ),)
RACE_UNITS = $(patsubst %,$B/race/tests/ops/%,t_races t_tiles t_linear t_moves t_rowops t_rows t_attn t_draw)
.PHONY: races
races: deps
	@$(MAKE) --no-print-directory -j2 $(RACE_UNITS)
	@sh tests/run.sh $B tests/ops/races.sh
endif
RACE_STD   = $(EMU_STD) -DEMU_RACES
race_objs  = $(patsubst %.cu,$B/race/%.o,$(CUDA_SRC)) $(patsubst %.cc,$B/race/%.o,$(wildcard kernels/emu/*.cc))

$B/kernels-race.a: $(race_objs)

$B/race/%.o: %.cu
	@mkdir -p $(@D)
	$(CXX) $(RACE_STD) $(CFLAGS) -fsanitize=thread -fno-builtin-memset -MMD -MP -c $< -o $@

$B/race/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(RACE_STD) $(CFLAGS) -MMD -MP -c $< -o $@

$B/race/tests/%: $B/tests/%.o $$(ALL_LIBS) $B/kernels-race.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset \
	    $(foreach l,$(LAYERS),$(libs_$l)) -lstdc++ -o $@
$B/race/tests/ops/t_races: $B/race/tests/ops/faults.o
$B/race/tests/ops/t_tiles: $B/race/tests/ops/tiles.o

# ---- on a device: the op table, the goldens, models, training and sampling; then the figures ----
CUDA_UNITS = $(patsubst %,build/cuda/tests/%,ops/t_tiles ops/t_linear ops/t_moves ops/t_rowops ops/t_rows ops/t_attn ops/t_draw unit/t_model_grad \
    unit/t_model_tree unit/t_search_engine unit/t_search_prm unit/t_train_model unit/t_train_memory golden/t_internvl golden/t_internvl_chat \
    golden/t_vlm golden/t_qwen_vl golden/t_decoders golden/t_objectives)
.PHONY: test-cuda sanitize-cuda bench-cuda
test-cuda: deps
	@$(MAKE) --no-print-directory -j CUDA=1 all $(CUDA_UNITS)
	@COS_DEVICE=cuda sh tests/run.sh build/cuda $(CUDA_UNITS) tests/tools/device.bats

# The op table under the toolkit's checkers of memory and of races.
sanitize-cuda: deps
	@$(MAKE) --no-print-directory -j CUDA=1 $(filter build/cuda/tests/ops/%,$(CUDA_UNITS))
	@for tool in memcheck racecheck; do for t in $(filter build/cuda/tests/ops/%,$(CUDA_UNITS)); do \
	    echo "== $$tool $$t"; COS_DEVICE=cuda compute-sanitizer --tool $$tool --error-exitcode 1 $$t || exit 1; done; done

# COS_REF_PYTHON: a python with torch, whose figures for the same shapes follow.
bench-cuda: deps
	@$(MAKE) --no-print-directory -j CUDA=1 build/cuda/tests/bench/bench_cuda
	@build/cuda/tests/bench/bench_cuda
	@[ -z "$$COS_REF_PYTHON" ] || "$$COS_REF_PYTHON" tests/bench/bench_torch.py
