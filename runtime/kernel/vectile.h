/* vectile.h -- all that tuned generated code needs of vectors: arithmetic, functions, draws,
 * transposes. */
#ifndef GAGAC_VECTILE_H
#define GAGAC_VECTILE_H

#include "vecmath.h"
#include "vecrng.h" /* before tile.h, whose draw_columns() it replaces */
#include "tile.h"
#include "transpose.h"

/* The lanes of columns column, column + 1, ... below `columns`; 0 in the others. */
static inline vec vbelow(vec a, int column, int columns)
{
    vmask lane;
    UNROLL
    for (int i = 0; i < VL; i++)
        lane[i] = (real_mask)i;
    return vselect(lane < (real_mask)(columns - column), a, vsplat(0));
}

#endif
