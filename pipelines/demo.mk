# SPDX-License-Identifier: Apache-2.0
# The demo: a world is made, a vision-language model is trained on it from scratch, sampled, scored, and shown.
#   make demo [QUICK=1] [SEED=1]          (which calls: make -f pipelines/demo.mk BIN=build/cpu)
# Every target is a file that appears when it is complete: an interrupted run goes on where it stopped.

BIN   = build/cpu
SEED  = 1
ifdef QUICK
D     = build/demo-quick
TRAIN = 3200
TEST  = 200
EPOCHS = 1
LR    = 2e-3
WHAT  = --source chart/read --source chart/diff
else
D     = build/demo
TRAIN = 16000
TEST  = 2000
EPOCHS = 2
LR    = 1e-3
WHAT  =
endif
SHAPES = $(BIN)/examples/shapes/shapes
CONFIG = examples/configs/nano.json
LEVEL  = 1
SHELL  = bash
.SHELLFLAGS = -e -o pipefail -c
.DELETE_ON_ERROR:

$D/report.html: $D/paths.cos $D/accuracy.tsv pipelines/page.sh
	PATH=$(abspath $(BIN)):$$PATH sh pipelines/page.sh -t "cos demo: shapes from scratch" \
	  -k "training questions=$(TRAIN)" -k "epochs=$(EPOCHS)" -k "seed=$(SEED)" $D/paths.cos > $@
	@echo; column -t -s "$$(printf '\t')" $D/accuracy.tsv; echo; echo "$@"

$D/accuracy.tsv: $D/paths.cos
	$(BIN)/cos-eval accuracy < $< > $@

# every path: is each step right (exact truth from the world), is the answer right
$D/paths.cos: $D/sft/config.json $D/test.cos
	$(BIN)/cos-generate --model $D/sft --temperature 0 --max-tokens 256 --seed $(SEED) < $D/test.cos \
	  | $(SHAPES) truth | $(BIN)/cos-score answer > $@

$D/sft/config.json: $D/base/config.json $D/train.cos
	$(BIN)/cos-update sft --model $D/base --out $D/sft --resume --save-every 200 --log $D/sft.tsv --seed $(SEED) \
	  --epochs $(EPOCHS) --batch 16 --lr $(LR) --warmup 0.05 < $D/train.cos

$D/base/config.json: $(CONFIG) $D/train.cos
	$(BIN)/cos-update init --config $(CONFIG) --vocab 600 --out $D/base --force --seed $(SEED) < $D/train.cos

$D/train.cos: | $D
	$(SHAPES) make -n $(TRAIN) --difficulty $(LEVEL) $(WHAT) --split train --seed $(SEED) > $@
$D/test.cos: | $D
	$(SHAPES) make -n $(TEST) --difficulty $(LEVEL) $(WHAT) --split test --questions --seed $(SEED) > $@
$D:
	mkdir -p $@
