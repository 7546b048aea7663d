# network.sh -- for the tests of the GPU target: the tests' own driver (fake_cuda.c) unless
# GAGAC_LIBCUDA names another, a small network compiled to made/, and data photons.npy.
if [ -z "${GAGAC_LIBCUDA-}" ]; then
    export GAGAC_LIBCUDA="$FAKE_CUDA" GAGAC_LIBNVRTC="$FAKE_CUDA"
fi
cat >network.json <<'END'
{
    "model": "v3", "activation": "leaky_relu", "keys": "Ekine X Y dX dY dZ", "z_dim": 3,
    "d_layers": 2, "d_dim": 10, "g_layers": 2, "g_dim": 9, "loss": "wasserstein",
    "penalty": "GP_SquareHinge", "penalty_weight": 1, "optimiser": "adam", "ema_decay": 0.9,
    "d_learning_rate": 4e-4, "g_learning_rate": 4e-4, "d_nb_update": 2, "g_nb_update": 1,
    "schedule_learning_rate_step": 3, "schedule_learning_rate_gamma": 0.5,
    "batch_size": 30, "iterations": 8, "shuffle": true
}
END
must "$MKPHSP" -n 330 --seed 5 -o photons.npy

# trained NAME OPTION...: a run of made/ in a folder of its own
trained() {
    name=$1
    shift
    must made/train --data photons.npy --run "$name" --checkpoint-every 5 --quiet "$@"
}
