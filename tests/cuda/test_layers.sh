#!/bin/sh
# Layers, losses, penalties, hooks and optimizers of the HyperGAN dialect take the steps of the
# interpreter on a GPU, the PTX virtual machine, and on the CPU, from random parameters and draws; a
# random network too, which GAGAC_DIFF_SEED chooses. Skipped without NVRTC.
. "$GAGAC_TESTS/helpers.sh"
unset GAGAC_LIBNVRTC
export GAGAC_LIBCUDA="$PTXVM_LIBRARY" GAGAC_CUDA_CODE=ptx PTXVM_LOG="$PWD/reports"
export GAGAC_CFLAGS=-O0 # the host's part need not be fast

# replayed NAME: NAME.json with case.in.safetensors, on both devices
replayed() {
    must "$GAGAC" replay "$1.json" case.in.safetensors expected.safetensors
    must "$GAGAC" "$1.json" -o made --target both --precision f64
    for device in cpu cuda; do
        run made/train --replay case.in.safetensors --out found.safetensors --device $device
        grep -q 'the CUDA compiler' words && exit 77
        [ "$status" -eq 0 ] || stop_test "$1: $(tail -n 2 words)"
        close_to expected.safetensors found.safetensors 1e-8
    done
    [ "$failures" -eq 0 ] || stop_test "$1"
}

# net NAME BATCH GENERATOR DISCRIMINATOR LOSS TRAINER: keys of each part, with ' for "
net() {
    sed "s/'/\"/g" >"$1.json" <<END
{
    'latent': {'class': 'UniformDistribution', 'z': 6},
    'generator': {'defaults': {'activation': 'tanh'}, $3},
    'discriminator': {'defaults': {'activation': 'tanh'}, $4},
    'loss': {'class': $5},
    'trainer': {'class': $6},
    'runtime': {'width': 8, 'height': 8, 'channels': 2, 'batch_size': $2}
}
END
    must "$RANDOM_LAYERS" 1 case "$1.json"
    replayed "$1"
}

# optimizer CLASS [KEYS]
optimizer() {
    echo "{'class': '$1Optimizer', 'learn_rate': 0.01 ${2-}}"
}
adam=$(optimizer Adam)
wolf=$(optimizer GigaWolf ", 'optimizer': $adam, 'optimizer2': $(optimizer RMSProp)")
elastic=$(optimizer ElasticWeightConsolidation \
    ", 'add_ewc_loss_gradients': true, 'optimizer': $(optimizer Adamirror)")
negative=$(optimizer NegativeMomentum ", 'optimizer': $(optimizer Ftrl)")
average=$(optimizer Ema ", 'optimizer': $(optimizer Adadelta)")
narrow_d="'layers': ['linear 3', 'linear 2 activation=null']"

net moves 5 \
    "'layers': ['linear 3*3*4 name=a', 'activation crelu', 'phase_shift 2 name=b',
    'mask layer=a mask_layer=b stride=2', 'pad', 'crop 6 7 2', 'unpool', 'fractional_avg_pool 1.7',
    'conv_dts 3', 'avg_pool stride=2', ['conv 3', 'identity', 1], 'split 3 select=1',
    'resize_images 8 8 method=2', 'conv 2 activation=null']" \
    "'layers': ['conv 3', 'fractional_avg_pool 1.5', 'subpixel 2 activation=lrelu',
    'image_statistics', 'slice 3 9', 'linear 1 activation=null']" \
    "'LeastSquaresLoss', 'labels': [0, 1, 1], 'gradient_penalty': 2" \
    "'SimultaneousTrainer', 'optimizer': {'class': 'GANOptimizer', 'd_optimizer': $wolf,
    'g_optimizer': $elastic}"

net attention 3 \
    "'heads': 2, 'layers': ['linear 4 name=style', 'linear 2*2*4',
    'attention final_activation=swish', 'resize_conv 3', 'adaptive_instance_norm w=style',
    'noise learned', 'noise mask', 'subpixel 2 activation=selu', 'add noise', 'variational_noise',
    'variational 3', 'concat noise mask=true', 'conv 2 activation=null']" \
    "'layers': ['conv 4 stride=2',
    'attention h_activation=lrelu dot_product_similarity=true c_scale=2 concat=true',
    'linear 1 activation=null']" \
    "'RaganLoss', 'random_penalty': true" \
    "'AlternatingTrainer', 'd_optimizer': $average, 'g_optimizer': $negative"

net samples 6 "'layers': ['linear 4*4*4', 'resize_conv 2 activation=null']" \
    "'relational': {'layers': ['linear 5', 'linear 3 activation=null']}, 'layers': [
    'conv 3 stride=4', 'two_sample_stack', 'minibatch', 'two_sample_stack mixup=true', 'relational',
    'slice_input 1 3', 'reverse_batch', 'turing_test', 'knowledge_base',
    'linear 1 activation=null']" \
    "'StandardLoss', 'improved': true, 'gradient_penalty': 1, 'gradient_penalty_type': 'dragan'" \
    "'SimultaneousTrainer', 'optimizer': $(optimizer AMSGrad),
    'hooks': [{'class': 'SelfSupervisedTrainHook'}, {'class': 'MaxGpTrainHook'}]"

net norms 4 \
    "'layer_regularizer': 'weight_norm3', 'layers': ['linear 2*2*4', 'batch_norm',
    'resize_conv 4 activation=groupsort', 'layer_norm', 'activation prelu', 'pixel_norm',
    'conv_reshape 2 activation=trelu stride=2', 'deconv 2 activation=frelu',
    'bicubic_conv 4 activation=bipolar', 'avg_pool stride=2', 'conv 2 activation=clamped_unit']" \
    "'layer_regularizer': 'spectral_norm', 'linear_type': 'weight_norm', 'layers': [
    'conv 4 activation=double_sided', 'resnet 3 stride=2', 'linear 4 activation=nsoftplus',
    'linear 1 activation=null']" \
    "'FDivergenceLoss', 'type': 'pearson', 'g_loss_type': 'alpha1', 'rothk_penalty': true" \
    "'AlternatingTrainer', 'optimizer': $(optimizer Momentum)"

# An inner training of a replay, memories and constraints of weights.
net hooks 4 \
    "'layers': ['linear 4*4*4 name=start', 'conv 4 name=end',
    'progressive_replace start=start end=end steps=3', ['identity', 'const_like end'],
    'resize_conv 8', 'gram_matrix', 'conv 2']" \
    "'layer_regularizer': 'cosine_norm', 'l2_scale': true, 'linear_type': 'cosine', 'layers': [
    'noise', 'conv 3 name=e', 'conv 3 name=f', 'progressive_replace start=e end=f steps=4',
    'match_support name=at', 'conv 3 adaptive_instance_norm2=e', 'squash',
    'linear 1 activation=null']" \
    "'LogisticLoss', 'minibatch': true, 'minibatch_kernels': 3, 'dim_per_kernel': 2" \
    "'SimultaneousTrainer', 'optimizer': $adam, 'hooks': [
    {'class': 'MatchSupportTrainHook', 'layer': 'at', 'variables': ['generator', 'x'],
    'optimizer': $wolf, 'loss': 'xor', 'max_steps': 2, 'max_depth': 2, 'loss_threshold': 1e-4},
    {'class': 'RollingMemoryTrainHook', 'types': ['mx/mg', 'mx-/g(mz-)', 'x/mg+']},
    {'class': 'WeightConstraintTrainHook', 'constraints': ['ortho', 'ortho2', 'lipschitz', 'l2nn'],
    'constraint_every': 2, 'weight_constraint_k': 0.5}]"

net divergence 3 "'layers': ['linear 8*8*2']" "$narrow_d" \
    "'FDivergenceLoss', 'type': 'alpha2', 'g_loss_type': 'kl', 'gradient_locally_stable': 1" \
    "'SimultaneousTrainer', 'optimizer': $(optimizer Curl ", 'optimizer': $(optimizer AdaBound)")"

net consensus 4 "'layers': ['linear 8*8*2']" "$narrow_d" \
    "'SoftmaxLoss', 'l2nn_penalty': 0.1, 'ortho_penalty': 0.1, 'reduce': 'reduce_logsumexp'" \
    "'ConsensusTrainer', 'trainer': 'RMSPropOptimizer', 'learn_rate': 0.01"

must "$RANDOM_LAYERS" $((${GAGAC_DIFF_SEED:-0} + 51)) case
replayed case
[ -s reports ] && note_failure "$(head -n 3 reports)"
finish
