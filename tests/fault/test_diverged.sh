#!/bin/sh
# A loss that is no number ends the training with status 5; the last good checkpoint stays and can
# be used.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/fault/network.sh"

# The rates grow a thousandfold every 20 iterations.
must "$GAGAC" network.json -o steep -p optimiser=SGD -p schedule_learning_rate_step=20 \
    -p schedule_learning_rate_gamma=1000
expect 5 'the training diverged in iteration' steep/train --data photons.npy --checkpoint-every 5
expect 5 'the last good checkpoint is of iteration' steep/train --data photons.npy
[ -e "$(newest steep)" ] || note_failure 'no checkpoint is left'
expect 0 '' steep/sample -n 1000 -o rows.npy
must "$GAGAC" score photons.npy rows.npy

# From the start: there is no checkpoint, and none is made.
must "$GAGAC" network.json -o wild -p optimiser=SGD -p d_learning_rate=1e6 -p g_learning_rate=1e6
expect 5 'a lower learning rate' wild/train --data photons.npy
[ -e "$(newest wild)" ] && note_failure 'a checkpoint of a diverged training'
expect 4 '' wild/sample -n 10 -o none.npy
[ -e none.npy ] && note_failure 'rows without a training'
finish
