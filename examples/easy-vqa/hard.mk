# SPDX-License-Identifier: Apache-2.0
# easy-VQA made hard: the steps of FEW training images, and of the others the questions and answers alone. Direct-answer SFT and step
# SFT from the same start, labels by rollouts, a reward model, three rounds of DPO, search; every number with its interval.
#   make -C examples/easy-vqa -f hard.mk DATA=/path/easy-vqa.tar.xz
hard:
include Makefile

FEW    = 150
EPOCHS = 12
N      = 8
NS     = 1 2 4 8 16
TEST   = 2000
W      = $(OUT)/hard
DTYPE  = f32
ARGS   = -q --seed $(SEED)
P      = $(TOP)/pipelines
MODELS = direct sft dpo1 dpo2 dpo3
MAX_TOKENS = 192
export BIN DTYPE ARGS MAX_TOKENS N NS
export IMAGES = $(dir $(IN))
export GAP = 0.1
export PAIRS = --require-answer
export SEARCH_OPTS = --temperature 0.7
PUT    = > $@.part && mv $@.part $@

hard: $(MODELS:%=$W/%.accuracy.tsv) $W/direct-sft.tsv $W/sft-dpo3.tsv $W/prm.tsv $W/scaling.tsv
	@for f in $^; do echo; echo "$$(basename $$f .tsv)"; column -t -s "$$(printf '\t')" $$f; done

# the records of train images FROM to TO - 1
part = $(BIN)/cos-cat -q --json --plain $(OUT)/train.cos | jq -c --argjson from $1 --argjson to $2 --argjson steps $3 -f part.jq | $(BIN)/cos-cat -q --from-json
up   = $(shell expr $(FEW) + $1)
$W/few.cos: $(OUT)/train.cos part.jq
	mkdir -p $W
	$(call part,0,$(FEW),true) $(PUT)
$W/label.cos: $(OUT)/train.cos part.jq
	$(call part,$(FEW),$(call up,100),false) $(PUT)
$W/held.cos: $(OUT)/train.cos part.jq
	$(call part,$(call up,100),$(call up,130),false) $(PUT)
$W/ask%.cos: $(OUT)/train.cos part.jq
	$(call part,$(call up,$*00 + 100),$(call up,$*00 + 200),false) $(PUT)
$W/test.cos: $(OUT)/test.cos
	mkdir -p $W
	$(BIN)/cos-cat -q --head $(TEST) $< $(PUT)

SFT = rm -rf $(@D); $P/sft.sh $W/base $(@D) --epochs $(EPOCHS) --batch 4 --group-images 1 --jitter 4 --lr 1e-3 --warmup 0.1
$W/base/config.json: $(CONFIG) $W/few.cos
	$(BIN)/cos-update init --config $(CONFIG) --vocab 400 --out $(@D) --force --seed $(SEED) < $W/few.cos
$W/sft/config.json: $W/base/config.json
	$(SFT) < $W/few.cos
$W/direct/config.json: $W/base/config.json
	$(SFT) --response answer < $W/few.cos

$W/labelled.cos: $W/sft/config.json $W/label.cos
	$P/label.sh $W/sft --rollouts 16 < $W/label.cos $(PUT)
$W/prm/config.json: $W/labelled.cos
	rm -rf $(@D); $P/prm.sh $W/sft $(@D) --epochs 8 --batch 16 --lr 3e-4 --beta2 0.98 --target hard --threshold 0.01 --freeze none < $<
# there is no truth of steps here: the reward model's answer scores alone are judged
$W/prm.tsv: $W/held.cos $W/prm/config.json
	$(BIN)/cos-generate --model $W/sft --images $(IMAGES) --dtype $(DTYPE) -n 4 --max-tokens $(MAX_TOKENS) $(ARGS) < $< \
	  | $(BIN)/cos-score answer $(ARGS) | $(BIN)/cos-score prm --model $W/prm --images $(IMAGES) --dtype $(DTYPE) $(ARGS) \
	  | $(BIN)/cos-eval prm $(ARGS) $(PUT)

before = $(if $(filter 1,$1),sft,dpo$(shell expr $1 - 1))
.SECONDEXPANSION:
$(patsubst %,$W/%/config.json,$(filter dpo%,$(MODELS))): $W/dpo%/config.json: $W/ask%.cos $W/prm/config.json $W/$$(call before,$$*)/config.json
	$P/dpo-round.sh $< $W/$(call before,$*) $W/sft $W/prm $(@D) --batch 16 --lr 5e-5 --beta 0.1

BARE = $(BIN)/cos-cat -q --json | jq -c -f $P/bare.jq | $(BIN)/cos-cat -q --from-json
$W/%.test.cos: $W/%/config.json $W/test.cos
	$(BIN)/cos-generate --model $(<D) --images $(IMAGES) --dtype $(DTYPE) --temperature 0 --max-tokens $(MAX_TOKENS) $(ARGS) < $W/test.cos \
	  $(if $(filter direct,$*),| $(BARE)) | $(BIN)/cos-score answer $(ARGS) $(PUT)
$W/%.accuracy.tsv: $W/%.test.cos
	$(BIN)/cos-eval accuracy $(ARGS) $< $(PUT)
$W/direct-sft.tsv $W/sft-dpo3.tsv: $W/%.tsv: $$(foreach m,$$(subst -, ,$$*),$W/$$m.test.cos)
	$(BIN)/cos-eval compare $(ARGS) $^ $(PUT)
$W/scaling.tsv: $W/sft/config.json $W/prm/config.json $W/test.cos
	$P/scaling.sh $W/test.cos $W/sft $W/prm $W/scaling
.PHONY: hard
.SECONDARY:
