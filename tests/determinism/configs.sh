# configs.sh -- three small trainings of different kinds, for the tests of determinism. Writes
# NAME.json for the names in $configs, and their data photons.npy.
configs='critic noisy conditional'

cat >critic.json <<'END'
{
    "model": "v3", "activation": "leaky_relu", "keys": "Ekine X Y dX dY dZ", "z_dim": 6,
    "d_layers": 2, "d_dim": 40, "g_layers": 2, "g_dim": 33, "loss": "wasserstein",
    "penalty": "GP_SquareHinge", "penalty_weight": 1, "optimiser": "RMSprop",
    "d_learning_rate": 4e-4, "g_learning_rate": 4e-4, "schedule_learning_rate_step": 7,
    "schedule_learning_rate_gamma": 0.8, "d_nb_update": 2, "g_nb_update": 1, "batch_size": 333,
    "iterations": 30, "shuffle": true, "normalisation": "blend", "gpu_mode": "cpu"
}
END

cat >noisy.json <<'END'
{
    "loss_type": "non-saturating-bce", "penalty_type": "gradient_penalty", "penalty_weight": 2,
    "layer_norm": true, "label_smoothing": 0.2, "r_instance_noise_sigma": 0.3,
    "f_instance_noise_sigma": 0.3, "keys": "Ekine X Y dX dY", "z_dim": 7, "d_layers": 1,
    "d_dim": 17, "g_layers": 2, "g_dim": 20, "optimiser": "adam", "beta_1": "0.5",
    "beta_2": "0.9", "d_weight_decay": 0.01, "g_weight_decay": 0, "d_learning_rate": 1e-3,
    "g_learning_rate": 1e-3, "d_nb_update": 1, "g_nb_update": 2, "batch_size": 100, "epoch": 30,
    "shuffle": true, "gpu_mode": "auto"
}
END

cat >conditional.json <<'END'
{
    "model": "v4", "activation": "relu", "spectral_norm": true, "keys": "dX dY dZ Ekine X Y",
    "cond_keys": "X Y", "positional_encoding": "X 2", "z_dim": 5, "d_layers": 2, "d_dim": 24,
    "g_layers": 1, "g_dim": 50, "loss": "hinge", "penalty": "GP_L1_LS", "penalty_weight": 1,
    "optimiser": "RMSprop", "RMSprop_d_momentum": 0.3, "RMSProp_d_centered": true,
    "d_learning_rate": 1e-4, "g_learning_rate": 1e-4, "d_nb_update": 1, "g_nb_update": 1,
    "batch_size": 97, "iterations": 30, "shuffle": false, "gpu_mode": "cpu"
}
END

must "$MKPHSP" -n 20000 --seed 5 -o photons.npy
