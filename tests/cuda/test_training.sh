#!/bin/sh
# A training on the GPU draws the numbers and reads the rows of one on the CPU; it can be cut, its
# data need not fit, and its checkpoints go on anywhere.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/cuda/network.sh"

# In double precision nothing but the order of sums differs.
must "$GAGAC" network.json -o made --target both --precision f64
trained cpu --device cpu
trained gpu --device cuda
close_to "$(newest cpu)" "$(newest gpu)" 1e-9
cut -d, -f1-3 cpu/metrics.jsonl >lines.cpu
cut -d, -f1-3 gpu/metrics.jsonl >lines.gpu
[ "$(wc -l <lines.cpu)" -eq "$(wc -l <lines.gpu)" ] || note_failure 'other lines of metrics'

# One bit for bit: without a pause and with one, with all data on the GPU and with a window on them.
trained again --device cuda
same "$(newest gpu)" "$(newest again)"
trained cut --device cuda --iterations 4
trained cut --device cuda
same "$(newest gpu)" "$(newest cut)"
GAGAC_CUDA_DATA=12000
export GAGAC_CUDA_DATA
trained window --device cuda
same "$(newest gpu)" "$(newest window)"
trained window_cut --device cuda --iterations 4
trained window_cut --device cuda
same "$(newest gpu)" "$(newest window_cut)"
unset GAGAC_CUDA_DATA

# From the GPU to the CPU and back.
trained both --device cuda --iterations 5
trained both --device cpu
close_to "$(newest cpu)" "$(newest both)" 1e-9

# Single precision, within rounding; the sampler and the report are there.
must "$GAGAC" network.json -o made --target cuda
trained single
trained single_cpu --device cpu
close_to "$(newest single_cpu)" "$(newest single)" 1e-3
[ -s single/report.html ] || note_failure 'no report'
expect 0 '' made/sample --run single -n 100 -o rows.npy
[ -s made/src/model.cu ] || note_failure 'no readable kernels'

# Machine code made ahead of time needs no NVRTC; on another GPU it is compiled when it starts.
if [ "$GAGAC_LIBCUDA" = "$FAKE_CUDA" ]; then
    must "$GAGAC" network.json -o made --target cuda --arch sm_75,sm_80
    GAGAC_LIBNVRTC=./none.so trained ahead
    same "$(newest single)" "$(newest ahead)"
    must "$GAGAC" network.json -o made --target cuda --arch sm_90
    trained other
    same "$(newest single)" "$(newest other)"
fi
finish
