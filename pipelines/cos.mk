# SPDX-License-Identifier: Apache-2.0
# The whole method on shapes, from scratch: a world; a model that has learned to see (captions); direct-answer and step SFT from
# this same start; labels by rollouts; the reward model; rounds of DPO; search; every number with its interval; one page.
#   make -f pipelines/cos.mk BIN=build/cpu D=build/cos [QUICK=1 | LONG=1] [SEED="1 2 3"] [VARIABLE=VALUE]...
# Every target is a file that appears when it is complete: an interrupted run goes on where it stopped, with the same result.
# A variable that changed makes anew what depends on it (its stage's values are in STAGE.set).
# make -j2 THREADS=N: what does not depend on each other side by side, with N threads each (small models leave cores idle if each
# op is shared among all). SFT and reward model, which the rest waits for, take all cores all the same.

BIN  = build/cpu
D    = build/cos
# What the sizes are, in full and QUICK form. CAPTIONS come first, KEEP of them are mixed into SFT. Questions: of SFT, for labels,
# of each DPO round, held out to judge the labels, held out for everything else. The QUICK form shows that
# everything runs; its models have learned too little for its numbers to mean anything. The LONG form searches up to N = 64.
SEED       = 1
ifdef QUICK
CAPTIONS   = 2000
KEEP       = 200
TRAIN      = 4000
LABEL      = 60
ASK        = 60
HELD       = 30
TEST       = 100
N          = 8
NS         = 1 2 4 8
GAP        = 0
else
CAPTIONS   = 8000
KEEP       = 2000
TRAIN      = 14000
LABEL      = 1000
ASK        = 800
HELD       = 200
TEST       = 2000
N          = $(if $(LONG),64,16)
NS         = 1 2 4 8 16 $(if $(LONG),32 64)
GAP        = 0.1
endif
WORLD      = --difficulty 1 --source chart/diff --source chart/sum
# what the SFT model learns to do wrong: the share of bars in crowded charts for which the authors of its paths took the one beside
SLIP       = 0.6
CONFIG     = examples/configs/micro.json
VOCAB      = 512
MAX_TOKENS = 256
PRE_OPTS   = --epochs 1 --batch 16 --lr 1.5e-3 --warmup 0.05 --beta2 0.98
SFT_OPTS   = --epochs 1 --batch 16 --lr 2e-3 --warmup 0.05 --beta2 0.98
# Labels and reward model: a step is right if one of the rollouts behind it comes to the right answer.
PATHS      = 4
ROLLOUTS   = --rollouts 16
HIT        = 0.01
PRM_OPTS   = --epochs 6 --batch 16 --lr 4e-4 --beta2 0.98 --target hard --threshold $(HIT) --freeze none
# DPO. START, REF: the model each round begins with, and its reference: previous (the round before) or sft. ASK_N: paths a
# question. PAIRS: more options of cos-select pairs; without --require-answer some chosen paths are wrong ones that the reward
# model likes best.
ROUNDS     = 3
START      = previous
REF        = sft
ASK_N      = 8
PAIRS      = --require-answer
DPO_OPTS   = --batch 16 --lr 5e-5 --beta 0.1
# Rounds of the reward ablation (answer score only; outcome). The first round's rewards judge the same paths.
ABLATION_ROUNDS = 1
STEP_WEIGHT = 0.2
# Search: all sampling of scaling.sh; paths kept of each step (empty: the root of N); the policies that it is measured on.
SEARCH_OPTS = --temperature 0.7
BEAM       =
SEARCHED   = sft
WEIGHTS    = 0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1
DTYPE      = f32
THREADS    =
ARGS       =

P      := $(dir $(lastword $(MAKEFILE_LIST)))
SELF   := $(lastword $(MAKEFILE_LIST))
SHAPES  = $(BIN)/examples/shapes/shapes
SHELL   = bash
.SHELLFLAGS = -e -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

RESULTS = $(SEED:%=$D/seed%/results.json)
$D/report.html: $(RESULTS) $(addprefix $P,report.sh report.jq page.sh page.jq parts.jq)
	BIN=$(BIN) IMAGES=$D/seed$(firstword $(SEED)) $Preport.sh -t "Chain of steps on shapes, from scratch" \
	  $D $D/seed$(firstword $(SEED))/dpo$(ROUNDS).test.cos $(RESULTS)
	@echo; column -t -s "$$(printf '\t')" $D/accuracy.tsv; echo; echo "$@"

ifneq ($(words $(SEED)),1)

# one that is complete stays as it is
$D/seed%/results.json: FORCE
	+$(MAKE) --no-print-directory -f $(SELF) SEED=$* $@
.PHONY: FORCE

else

W = $D/seed$(SEED)
ALL = $(ARGS) --seed $(SEED)
STD = $(ALL) $(if $(THREADS),--threads $(THREADS))
export BIN DTYPE MAX_TOKENS GAP PAIRS STEP_WEIGHT NS PATHS SEARCH_OPTS BEAM
export IMAGES := $W
PUT  = > $@.part && mv $@.part $@
# a command of cos-eval, as TSV and as JSON
BOTH = $(BIN)/cos-eval $1 $(STD) $2 > $(@:.json=.tsv).part && mv $(@:.json=.tsv).part $(@:.json=.tsv) \
	  && $(BIN)/cos-eval $1 $(STD) --json $2 $(PUT)
# the variables of a stage: the file is written when they are others than before
values = $(foreach v,$1,$v=$($v))
differ = $(or $(subst x$1,,x$2),$(subst x$2,,x$1))
stage  = $(if $(call differ,$(file <$W/$1.set),$(call values,$2)),$(shell mkdir -p $W)$(file >$W/$1.set,$(call values,$2)))
$(call stage,captions,WORLD CAPTIONS)
$(call stage,train,WORLD TRAIN SLIP)
$(call stage,label,WORLD LABEL)
$(call stage,ask,WORLD ASK)
$(call stage,held,WORLD HELD)
$(call stage,test,WORLD TEST)
$(call stage,base,CONFIG VOCAB)
$(call stage,pre,PRE_OPTS)
$(call stage,sft,KEEP SFT_OPTS)
$(call stage,rollouts,PATHS ROLLOUTS MAX_TOKENS)
$(call stage,prm,PRM_OPTS)
$(call stage,hit,HIT)
$(call stage,sample,ASK_N MAX_TOKENS STEP_WEIGHT)
$(call stage,dpo,GAP PAIRS STEP_WEIGHT START REF DPO_OPTS)
$(call stage,greedy,MAX_TOKENS)
$(call stage,scaling,NS MAX_TOKENS SEARCH_OPTS BEAM)
$(call stage,weights,WEIGHTS N)
$(call stage,results,ROUNDS ABLATION_ROUNDS SEARCHED)
# a model that is there, but older than what it is made of, is made anew
ANEW = rm -rf $(@D)

# ---- the world: questions of one split share no world with the other; the sets differ by their seeds ----
DRAW = $(SHAPES) make $(WORLD) --images $(@:.cos=.tar) $(ARGS) --seed $1$(SEED) -n $2 --split $3 $(PUT)
$W/captions.cos: $W/captions.set
	$(call DRAW,5,$(CAPTIONS),train --ask caption)
$W/train.cos: $W/train.set
	$(call DRAW,,$(TRAIN),train --slip $(SLIP))
$W/label.cos: $W/label.set
	$(call DRAW,10,$(LABEL),train --questions)
$W/ask%.cos: $W/ask.set
	$(call DRAW,2$*,$(ASK),train --questions)
$W/held.cos: $W/held.set
	$(call DRAW,30,$(HELD),test --questions)
$W/test.cos: $W/test.set
	$(call DRAW,40,$(TEST),test --questions)

# ---- supervised: captions; then direct answers and steps, from the same start, with some captions among them ----
$W/base/config.json: $(CONFIG) $W/captions.cos $W/train.cos $W/base.set
	$(BIN)/cos-cat -q $W/captions.cos $W/train.cos | $(BIN)/cos-update init --config $(CONFIG) --vocab $(VOCAB) --out $(@D) --force $(STD)
SFT = $(ANEW); ARGS="$(ALL)" $Psft.sh
$W/pre/config.json: $W/base/config.json $W/captions.cos $W/pre.set
	$(SFT) $W/base $(@D) $(PRE_OPTS) < $W/captions.cos
$W/mixed.cos: $W/captions.cos $W/train.cos $W/sft.set
	{ $(BIN)/cos-cat -q --head $(KEEP) $W/captions.cos; cat $W/train.cos; } | $(BIN)/cos-cat -q $(PUT)
$W/sft/config.json: $W/pre/config.json $W/mixed.cos $W/sft.set
	$(SFT) $W/pre $(@D) $(SFT_OPTS) < $W/mixed.cos
$W/direct/config.json: $W/pre/config.json $W/mixed.cos $W/sft.set
	$(SFT) $W/pre $(@D) $(SFT_OPTS) --response answer < $W/mixed.cos

# ---- labels by rollouts, the reward model, and both against the truth on held-out questions; the reward model on the paths of the
# searches below too, which are many more ----
LABELS = $Plabel.sh $W/sft $(ROLLOUTS)
# in two halves, side by side
half = $(shell expr \( $(LABEL) + 1 \) / 2)
$W/labelled1.cos: $W/sft/config.json $W/label.cos $W/rollouts.set
	$(BIN)/cos-cat -q --head $(half) $W/label.cos | ARGS="$(STD)" $(LABELS) $(PUT)
$W/labelled2.cos: $W/sft/config.json $W/label.cos $W/rollouts.set
	$(BIN)/cos-cat -q --skip $(half) $W/label.cos | ARGS="$(STD)" $(LABELS) $(PUT)
$W/labelled.cos: $W/labelled1.cos $W/labelled2.cos
	$(BIN)/cos-cat -q $^ $(PUT)
$W/prm/config.json: $W/labelled.cos $W/sft/config.json $W/prm.set
	$(ANEW); ARGS="$(ALL)" $Pprm.sh $W/sft $(@D) $(PRM_OPTS) < $<
$W/held.labelled.cos: $W/sft/config.json $W/held.cos $W/rollouts.set
	ARGS="$(STD)" $(LABELS) < $W/held.cos | $(SHAPES) truth $(STD) $(PUT)
$W/held.scored.cos: $W/held.labelled.cos $W/prm/config.json
	$(BIN)/cos-score prm --model $W/prm --images $W --dtype $(DTYPE) $(STD) < $< $(PUT)
$W/prm.json: $W/held.scored.cos
	$(call BOTH,prm,$<)
$W/labels.json: $W/held.scored.cos $W/hit.set
	$(call BOTH,prm --pred mc --threshold $(HIT),$<)
$W/bins.json: $W/held.scored.cos
	$(call BOTH,prm --bins,$<)
JUDGED = $(SEARCHED:%=$W/%.judged.json)
$(JUDGED:.json=.cos): $W/%.judged.cos: $W/%.scaling.pool.cos
	$(SHAPES) truth $(STD) < $< $(PUT)
$(JUDGED): $W/%.json: $W/%.cos
	$(call BOTH,prm,$<)

# ---- DPO: round $2 for reward $1 begins after policy $3; what it is judged by: $4, REWARD=.. and perhaps SCORED=.. ----
# what a script left under other values
drop  = if [ $1 -nt $2 ]; then rm -f $2; fi
start = $(if $(filter sft,$(START)),sft,$1)
ref   = $(if $(filter sft,$(REF)),sft,$1)
define round
$W/$1$2/config.json: $W/$3/config.json $W/sft/config.json $W/prm/config.json $W/ask$2.cos $W/sample.set $W/dpo.set $5
	$(call drop,$W/sample.set,$W/$1$2.paths.cos); $(call drop,$W/dpo.set,$W/$1$2.pairs.cos)
	ARGS="$(STD)" N=$(ASK_N) START=$W/$(call start,$3) $4 $Pdpo-round.sh $W/ask$2.cos $W/$3 $W/$(call ref,$3) $W/prm $W/$1$2 $(DPO_OPTS)
endef
before = $(if $(filter 1,$2),sft,$1$(shell expr $2 - 1))
first  = $(if $(filter 1,$1),SCORED=$W/dpo1.paths.cos)
DPO      := $(foreach r,$(shell seq $(ROUNDS)),dpo$r)
ABLATION := $(foreach r,$(shell seq $(ABLATION_ROUNDS)),answer$r outcome$r)
$(foreach r,$(shell seq $(ROUNDS)),$(eval $(call round,dpo,$r,$(call before,dpo,$r),REWARD=prm)))
$(foreach r,$(shell seq $(ABLATION_ROUNDS)),$(foreach w,answer outcome,\
  $(eval $(call round,$w,$r,$(call before,$w,$r),REWARD=$w $(call first,$r),$(if $(filter 1,$r),$W/dpo1/config.json)))))

# ---- every policy's greedy answers, with the truth of each step ----
POLICIES = direct sft $(DPO) $(ABLATION)
LAST     = dpo$(ROUNDS)
BARE = $(BIN)/cos-cat -q --json | jq -c -f $Pbare.jq | $(BIN)/cos-cat -q --from-json
$(POLICIES:%=$W/%.test.cos): $W/%.test.cos: $W/%/config.json $W/test.cos $W/greedy.set
	$(BIN)/cos-generate --model $W/$* --images $W --dtype $(DTYPE) --max-tokens $(MAX_TOKENS) $(STD) --temperature 0 < $W/test.cos \
	  $(if $(filter direct,$*),| $(BARE)) | $(SHAPES) truth $(STD) | $(BIN)/cos-score answer $(STD) $(PUT)
$W/%.accuracy.json: $W/%.test.cos
	$(call BOTH,accuracy,$<)
$W/%.length.json: $W/%.test.cos
	$(call BOTH,length,$<)
$W/%.truth.json: $W/%.test.cos
	$(call BOTH,prm --pred truth,$<)
COMPARED = direct-sft sft-$(LAST) $(foreach a,$(ABLATION),$(if $(filter %$(ABLATION_ROUNDS),$a),$a-dpo$(ABLATION_ROUNDS)))
.SECONDEXPANSION:
$(COMPARED:%=$W/compare.%.json): $W/compare.%.json: $$(foreach s,$$(subst -, ,$$*),$W/$$s.test.cos)
	$(call BOTH,compare,$^)

# ---- inference-time scaling of the policies SEARCHED, and the weight of the steps in best-of-N ----
SCALING = $(SEARCHED:%=$W/%.scaling.json)
# Parts that may be made side by side, the longest first. Beams wait for the last DPO round: rounds follow each other, and what can
# be made at any time is left for the time when a core would be idle.
BEAMS   = $(foreach n,$(shell printf '%s\n' $(NS) | sort -nr),beam$n)
define piece
$W/$1.scaling.$2.cos: $W/$1/config.json $W/prm/config.json $W/test.cos $W/scaling.set $3
	rm -f $$@; ARGS="$(STD)" PART=$2 $Pscaling.sh $W/test.cos $W/$1 $W/prm $W/$1.scaling
endef
$(foreach s,$(SEARCHED),$(eval $(call piece,$s,pool)))
$(foreach s,$(SEARCHED),$(foreach b,$(BEAMS),$(eval $(call piece,$s,$b,| $W/$(LAST)/config.json))))
$(SEARCHED:%=$W/%.scaling.greedy.cos): $W/%.scaling.greedy.cos: $W/%.test.cos $W/prm/config.json $W/scaling.set
	cp $< $@.part && mv $@.part $@
$(SCALING): $W/%.scaling.json: $$(foreach p,pool $$(BEAMS) greedy,$W/$$*.scaling.$$p.cos)
	ARGS="$(STD)" $Pscaling.sh $W/test.cos $W/$* $W/prm $W/$*.scaling
WEIGHED = $(SEARCHED:%=$W/%.weights.json)
$(WEIGHED): $W/%.weights.json: $W/%.scaling.pool.cos $W/weights.set
	for w in $(WEIGHTS); do $(BIN)/cos-select filter --where 'path.index<$N' $(STD) < $< \
	  | $(BIN)/cos-select best --step-weight $$w $(STD) | $(BIN)/cos-eval accuracy --json $(STD) \
	  | jq -c --argjson w $$w '{weight: $$w} + .total'; done | jq -s . $(PUT)

# ---- all numbers of this seed in one file ----
PARTS = $(POLICIES:%=$W/%.accuracy.json) $(POLICIES:%=$W/%.length.json) $(POLICIES:%=$W/%.truth.json) \
        $(COMPARED:%=$W/compare.%.json) $W/prm.json $W/labels.json $W/bins.json $(JUDGED) $(SCALING) $(WEIGHED)
SIZES = WORLD SLIP CAPTIONS KEEP TRAIN LABEL ASK ASK_N HELD TEST PATHS ROLLOUTS N SEARCH_OPTS BEAM SEARCHED ROUNDS START REF GAP PAIRS STEP_WEIGHT PRE_OPTS SFT_OPTS PRM_OPTS DPO_OPTS
$W/results.json: $(PARTS) $W/results.set $Presults.jq
	jq -n --argjson seed $(SEED) --arg policies '$(POLICIES)' --arg sizes "$$(printf '%s\n' $(foreach s,$(SIZES),'$s=$($s)'))" \
	  -f $Presults.jq $(PARTS) $(patsubst %,$W/%.pairs.json,$(DPO) $(ABLATION)) $(PUT)
endif
