# SPDX-License-Identifier: Apache-2.0
# The inner loops (lib/ops/vec) are compiled once per instruction set and chosen at run time (vec.c). They are always
# optimised; -ffp-contract lets a * b + c be one instruction, which is the only liberty taken with floating point.
vec_src    = $(filter-out lib/ops/vec/fixed.c,$(wildcard lib/ops/vec/*.c))
vec_flags  = -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math
ifdef FUZZ
# They read nothing, and with what finds faults in readers clang takes minutes for some.
vec_flags += -fno-sanitize=all
endif
flags_base =
flags_avx2 = -mavx2 -mfma -mf16c
flags_avx512 = -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mprefer-vector-width=512
vec_isas   = base $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),avx2 avx512)
flags_vnni = $(flags_avx512) -mavx512vnni
isa_ops    = $(foreach i,$(vec_isas),$(vec_src:%.c=$B/%.$i.o)) $(if $(findstring avx512,$(vec_isas)),$B/lib/ops/vec/fixed.vnni.o)

define vec_rule
$B/lib/ops/vec/%.$1.o: lib/ops/vec/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(SRC_STD) $$(CFLAGS) $$(vec_flags) $$(flags_$1) -DVEC_ISA=$1 -MMD -MP -c $$< -o $$@
endef
$(foreach i,$(vec_isas) vnni,$(eval $(call vec_rule,$i)))
