# network.sh -- a small network for the tests of faults, compiled to made/, and data photons.npy.
# An iteration takes about half a millisecond.
cat >network.json <<'END'
{
    "model": "v3", "activation": "leaky_relu", "keys": "Ekine X Y dX dY dZ", "z_dim": 6,
    "d_layers": 2, "d_dim": 40, "g_layers": 2, "g_dim": 40, "loss": "wasserstein",
    "penalty": "GP_SquareHinge", "penalty_weight": 1, "optimiser": "RMSprop",
    "d_learning_rate": 4e-4, "g_learning_rate": 4e-4, "d_nb_update": 2, "g_nb_update": 1,
    "batch_size": 200, "iterations": 4000, "shuffle": true, "gpu_mode": "cpu"
}
END
must "$GAGAC" network.json -o made
must "$MKPHSP" -n 20000 --seed 5 -o photons.npy

# usable RUN: its newest checkpoint gives rows
usable() {
    expect 0 '' made/sample --run "$1" -n 100 -o rows.npy
}
